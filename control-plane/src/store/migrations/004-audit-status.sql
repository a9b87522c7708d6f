-- Of a command on a control plane's machine there is no answer, and so no status and no request id.
alter table audit_requests add column status integer;
alter table audit_requests add column request_id text;
-- Of a request that was refused for its token nobody knows the role.
alter table audit_requests alter column role drop not null;
