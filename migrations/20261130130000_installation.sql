-- Where a GitHub App is installed hardly ever changes. Knowing it saves every tick
-- one of the few requests that one without news may cost.

-- A migration gives up rather than make everybody wait.
set local lock_timeout = '30s';
set local statement_timeout = '5min';

-- GitHub's id of the installation; another App's says so, and is asked for again.
alter table wavemark.mailboxes add column installation bigint;
