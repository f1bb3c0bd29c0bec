select '<a/>'::xml;
select xmlelement(name foo, 'bar');
select xmlparse(document '<a/>');
select xml_is_well_formed('<a/>');
select xpath('/a', '<a/>');
create table xt (x xml);
