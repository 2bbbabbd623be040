mod apply;
mod requests;
