-- From where a deed came: an address, a device, a command, the server. Rows of before have none and keep their seals.
alter table audit add column origin text check (origin is null or length(origin) between 1 and 100);
