//! What the programs and tests of this package share.

pub mod bindings;
pub mod table;
