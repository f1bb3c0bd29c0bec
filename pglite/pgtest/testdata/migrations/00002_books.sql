-- +goose Up
create table books (
    id        bigint generated always as identity primary key,
    author_id bigint not null references authors,
    title     text not null
);

-- +goose StatementBegin
create function author_of(book books) returns text language plpgsql stable as $$
begin
    return (select name from authors where id = book.author_id);
end;
$$;
-- +goose StatementEnd

-- +goose Down
drop function author_of;
drop table books;
