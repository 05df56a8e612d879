//! The help texts, as people read them.

use crate::harness::{check, fanout};

#[test]
fn of_the_whole() {
    check!("help", fanout(["--help"]).seen());
}

#[test]
fn of_send() {
    check!("help_send", fanout(["send", "--help"]).seen());
}

#[test]
fn of_sandbox() {
    check!("help_sandbox", fanout(["sandbox", "--help"]).seen());
}
