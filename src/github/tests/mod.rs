//! The client against a server on a real socket.

mod app;
mod changes;
mod limits;
mod reading;
mod secrets;
