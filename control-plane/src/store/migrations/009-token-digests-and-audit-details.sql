-- SHA-256 of a token's secret part, which is 256 random bits and so needs no slow hash: whether a token is one that there is
-- can be told for any number of wrong ones. Null for a token made by 0.1.0 that has not been used since.
alter table tokens add column digest bytea;

-- What a request changed that is no configuration, such as the log level before and after.
alter table audit_requests add column detail text;
