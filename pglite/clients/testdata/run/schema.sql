create table elephants (name text primary key, seats int not null);
insert into elephants values ('Jumbo', 8);
