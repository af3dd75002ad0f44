-- The validator's copies of master data: each record whole, beside what it is looked up by.

CREATE TABLE product (
    sku text COLLATE "C" PRIMARY KEY,
    gtin text COLLATE "C",
    version bigint NOT NULL,
    record bytea NOT NULL
);
CREATE INDEX product_gtin ON product (gtin) WHERE gtin IS NOT NULL;

CREATE TABLE product_key (
    key text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    retired boolean NOT NULL,
    PRIMARY KEY (key, sku)
);
CREATE INDEX product_key_sku ON product_key (sku);

CREATE TABLE customer (
    customer_id text COLLATE "C" PRIMARY KEY,
    company text COLLATE "C",
    version bigint NOT NULL,
    record bytea NOT NULL
);
CREATE INDEX customer_company ON customer (company) WHERE company IS NOT NULL;

CREATE TABLE price (
    price_list text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    record bytea NOT NULL,
    PRIMARY KEY (price_list, sku)
);
CREATE INDEX price_sku ON price (sku);

CREATE TABLE calendar (
    calendar_id text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    record bytea NOT NULL
);
