-- The request to the Admin API by which a command was given, for the logs of all who carry it out.
alter table fleet_commands add column request_id text;

-- What rehearsals of outages have shown, as whoever played them tells; a bounded number of them is kept.
create table drill_reports (
  id uuid primary key,
  -- By the database's clock.
  received_at timestamptz not null default now(),
  -- Who told.
  actor text not null,
  -- Which outage, such as `aws-outage` or the name of a drill of the project's own.
  name text not null,
  -- Where it was played: a data plane's host, or a machine of drills.
  host text,
  started_at timestamptz not null,
  ended_at timestamptz not null,
  passed boolean not null,
  lookups bigint,
  wrong_answers bigint,
  longest_gap_ms bigint,
  longest_staleness_ms bigint,
  -- What did not hold, in the words of whoever played it; a few.
  problems jsonb not null
);
create index drill_reports_received_at on drill_reports (received_at);
