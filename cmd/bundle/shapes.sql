-- The tables whose changes are captured, and the types of their columns: what
-- bridge/catalog makes of the log, from the catalogs of one snapshot. Kinds are
-- those of value.Kind.
with recursive
followed as (
    select c.oid, c.relname, c.relnamespace, c.relreplident,
           case c.relreplident
               when 'd' then (select i.indkey[0:i.indnkeyatts - 1] from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary and i.indimmediate and i.indisvalid)
               when 'i' then (select i.indkey[0:i.indnkeyatts - 1] from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisreplident and i.indisvalid)
           end as identity
    from pg_catalog.pg_class c
    where c.relkind = 'r' and c.relpersistence = 'p' and c.oid >= 16384 and c.relrewrite = 0
),
columns as (
    select a.attrelid, a.attname, a.attnum, a.atttypid, a.atttypmod, a.attgenerated,
           f.relreplident = 'f' or coalesce(a.attnum = any (f.identity), false) as key
    from followed f join pg_catalog.pg_attribute a on a.attrelid = f.oid
    where a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v'
),
made as (
    select t.oid, t.typname, t.typnamespace, t.typlen, t.typalign, t.typdelim, t.typbyval, t.typoutput, t.typrelid, t.typtype,
           case
               when t.typtype = 'd' then 3
               when t.typtype = 'e' then 2
               when t.typtype = 'c' then 4
               when t.typtype = 'r' then 5
               when t.typtype = 'm' then 6
               when t.typelem <> 0 and t.typsubscript = 'pg_catalog.array_subscript_handler'::pg_catalog.regproc then 1
               else 0
           end as kind,
           case
               when t.typtype = 'd' then t.typbasetype
               when t.typtype = 'r' then (select r.rngsubtype from pg_catalog.pg_range r where r.rngtypid = t.oid)
               when t.typtype = 'm' then (select r.rngtypid from pg_catalog.pg_range r where r.rngmultitypid = t.oid)
               when t.typelem <> 0 and t.typsubscript = 'pg_catalog.array_subscript_handler'::pg_catalog.regproc then t.typelem
               else 0
           end as elem
    from pg_catalog.pg_type t
),
needed(oid) as (
    select distinct atttypid from columns
    union
    select n.oid from needed u cross join lateral (
        select m.elem from made m where m.oid = u.oid and m.elem <> 0
        union all
        select a.atttypid from made m join pg_catalog.pg_attribute a on a.attrelid = m.typrelid
        where m.oid = u.oid and m.kind = 4 and a.attnum > 0 and not a.attisdropped
    ) n(oid)
)
select pg_catalog.json_build_object(
    'Types', (
        select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
            'OID', m.oid::int8, 'Schema', n.nspname, 'Name', m.typname, 'Kind', m.kind, 'Elem', m.elem::int8,
            'Length', m.typlen, 'Align', m.typalign, 'Delim', m.typdelim, 'ByVal', m.typbyval, 'Output', m.typoutput::oid::int8,
            'Labels', (select pg_catalog.json_object_agg(e.oid::text, e.enumlabel) from pg_catalog.pg_enum e where e.enumtypid = m.oid),
            'Fields', (
                select pg_catalog.json_agg(pg_catalog.json_build_object(
                    'Name', a.attname, 'Type', a.atttypid::int8, 'Typmod', a.atttypmod, 'Dropped', a.attisdropped, 'Length', a.attlen, 'Align', a.attalign
                ) order by a.attnum)
                from pg_catalog.pg_attribute a where m.kind = 4 and a.attrelid = m.typrelid and a.attnum > 0
            )
        )), '[]'::json)
        from made m join pg_catalog.pg_namespace n on n.oid = m.typnamespace
        where m.oid in (select oid from needed)
    ),
    'Tables', (
        select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
            'OID', f.oid::int8, 'Schema', n.nspname, 'Name', f.relname, 'Identity', f.relreplident,
            'Columns', (
                select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
                    'Name', c.attname, 'Number', c.attnum, 'Type', c.atttypid::int8, 'Typmod', c.atttypmod, 'Key', c.key, 'Stored', c.attgenerated = 's'
                ) order by c.attnum), '[]'::json)
                from columns c where c.attrelid = f.oid
            )
        ) order by f.oid), '[]'::json)
        from followed f join pg_catalog.pg_namespace n on n.oid = f.relnamespace
    )
)
