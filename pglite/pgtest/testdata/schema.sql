create table authors (id bigserial primary key, name text not null);

copy authors (name) from stdin;
Kipling
Kästner
\.
