CREATE TABLE orders (
    id    INTEGER PRIMARY KEY,
    item  TEXT NOT NULL,
    cents INTEGER NOT NULL CHECK (cents >= 0)
);
INSERT INTO orders (item, cents) VALUES ('tea', 350), ('scone', 280), ('jam', 120);
