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
fn of_resend() {
    check!("help_resend", fanout(["resend", "--help"]).seen());
}

#[test]
fn of_check() {
    check!("help_check", fanout(["check", "--help"]).seen());
}

#[test]
fn of_sandbox() {
    check!("help_sandbox", fanout(["sandbox", "--help"]).seen());
}

#[test]
fn of_demo_completions_and_man() {
    check!("help_demo", fanout(["demo", "--help"]).seen());
    check!("help_completions", fanout(["completions", "--help"]).seen());
    check!("help_man", fanout(["man", "--help"]).seen());
}

#[test]
fn without_arguments_there_is_help() {
    check!("help_none", fanout(Vec::<String>::new()).seen());
}
