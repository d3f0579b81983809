-- migrate:up
create table orders (
    id bigint generated always as identity primary key,
    item text not null,
    cents bigint not null check (cents >= 0)
);
insert into orders (item, cents) values ('tea', 350), ('scone', 280), ('jam', 120);

-- migrate:down
drop table orders;
