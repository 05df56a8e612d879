//! What the command gives to a shell, to `man`, and to terminals with and without colours.

use crate::harness::{fanout, send};

/// Long options of the commands, as `--help` has them.
fn options() -> Vec<String> {
    let mut options = Vec::new();
    for command in ["demo", "send", "sandbox", "completions", "man"] {
        let (help, ..) = fanout([command, "--help"]).raw();
        let listed = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
        let names = listed.filter_map(|line| line.split([' ', ',']).find(|w| w.starts_with("--")));
        options.extend(names.map(|name| name.trim_start_matches("--").to_owned()));
    }
    assert!(options.len() > 20, "{options:?}");
    options
}

#[test]
fn completions_know_every_command_and_every_option() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (script, stderr, code) = fanout(["completions", shell]).raw();
        assert_eq!((code, &*stderr), (0, ""), "{shell}");
        for word in options().iter().map(String::as_str).chain(["demo", "completions"]) {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    assert_eq!(fanout(["completions", "tcsh"]).raw().2, 2);
}

#[test]
fn there_is_a_page_for_every_command_with_every_option() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("man1");
    let (stdout, _, code) = fanout(["man", inside.to_str().unwrap()]).raw();
    assert_eq!(code, 0);
    let pages: Vec<_> = stdout.lines().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    for page in &pages {
        assert!(page.starts_with(".TH \"FANOUT"), "{page}");
        assert!(!page.contains('\u{1b}') && !page.lines().any(str::is_empty), "{page}");
    }
    let all = pages.join("\n").replace("\\-", "-");
    for option in options() {
        assert!(all.contains(&format!("--{option}")), "no page has --{option}");
    }
    for title in ["FANOUT", "FANOUT-SEND", "FANOUT-SANDBOX", "FANOUT-MAN"] {
        assert!(all.contains(&format!(".TH \"{title}\" 1")), "{title} is missing");
    }
    assert_eq!(fanout(["man"]).raw().0, pages[0], "without a directory: the page of the whole");
}

#[test]
fn a_directory_that_cannot_be_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let below = file.path().join("man1");
    let (_, stderr, code) = fanout(["man", below.to_str().unwrap()]).raw();
    assert_eq!(code, 2);
    assert!(stderr.starts_with("error: cannot write ") && stderr.contains("man1: "), "{stderr}");
}

#[test]
fn colours_are_where_they_are_wanted() {
    // Help, an error about arguments, and an error of ours.
    let runs = [
        (&["--help"][..], &["--color", "always"][..]),
        (&["send", "--nonsense"], &["--color=always"]),
        (&["send", "--to", "nonsense", "-d", "x"], &["--color=always"]),
    ];
    let has_colours = |words: &[&str], variables: &[(&'static str, &'static str)]| {
        let run = variables
            .iter()
            .fold(fanout(words.iter().copied()), |run, (name, value)| run.variable(name, value));
        let (stdout, stderr, _) = run.raw();
        (stdout + &stderr).contains('\u{1b}')
    };
    for (words, always) in runs {
        let never = [words, &["--color", "never"]].concat();
        let always = [words, always].concat();
        assert!(!has_colours(words, &[]), "{words:?}: this is no terminal");
        assert!(has_colours(&always, &[]), "{words:?}");
        assert!(has_colours(words, &[("CLICOLOR_FORCE", "1")]), "{words:?}");
        assert!(!has_colours(words, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), "{words:?}");
        assert!(has_colours(&always, &[("NO_COLOR", "1")]), "{words:?}: asked for is asked for");
        assert!(!has_colours(&never, &[("CLICOLOR_FORCE", "1")]), "{words:?}");
    }
    let (_, stderr, code) = send("--to http://localhost/ --color blue").raw();
    assert_eq!(code, 2);
    assert!(stderr.contains("[possible values: auto, always, never]"), "{stderr}");
}
