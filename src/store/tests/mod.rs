//! Every query against a real Postgres, one file per table.

mod agents;
