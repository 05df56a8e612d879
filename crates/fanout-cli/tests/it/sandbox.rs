//! `fanout sandbox`: what it prints, and how it ends.

#[cfg(unix)]
#[test]
fn it_prints_what_it_receives_and_ends_with_counts() {
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::process::{Command, Stdio};

    use crate::harness::{check, command, send, settled};

    let mut child = command()
        .args(["sandbox", "--http", "0", "--grpc", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    for _ in 0..3 {
        stdout.read_line(&mut text).unwrap();
    }
    let word = |scheme: &str| {
        let words = text.split_whitespace();
        words.into_iter().find(|word| word.starts_with(scheme)).unwrap().to_owned()
    };
    let (http, grpc) = (word("http://"), word("grpc://"));
    assert_eq!(send(&format!("--to {http}orders")).raw().2, 0);
    assert_eq!(send(&format!("--to {http}status/404")).raw().2, 4);
    assert_eq!(send(&format!("--to {grpc}")).raw().2, 0);

    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    stdout.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    check!("sandbox", settled(&text));
}

#[test]
fn faults_are_drawn_by_the_seed() {
    use crate::harness::{Sandbox, send};

    let codes = |seed: &str| {
        let sandbox = Sandbox::start(&format!("--fail 50% --status 422 --seed {seed}"));
        (0..12).map(|_| send(&format!("--to {}/", sandbox.http)).raw().2).collect::<Vec<_>>()
    };
    let drawn = codes("5");
    assert_eq!(drawn, codes("5"));
    assert!(drawn.contains(&0) && drawn.contains(&4), "{drawn:?}");
}
