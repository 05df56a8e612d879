//! What a secret shows, where it comes from, and how it follows its file.

use std::error::Error as _;

use super::*;

fn refused(result: Result<Secret, Error>, expected: &str) {
    let error = result.expect_err(expected);
    assert_eq!(error.kind(), ErrorKind::Build);
    let text = format!("{} {error:?}", error.to_chain());
    assert!(text.contains(expected), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    assert!(error.source().is_none());
}

#[test]
fn it_does_not_show_itself() {
    let secret = Secret::new("s3cret");
    assert_eq!(format!("{secret:?}"), "Secret(***)");
    assert_eq!(format!("{:?}", secret.expose()), "Exposed(***)");
    assert_eq!(&*secret.clone().expose(), "s3cret");
    assert_eq!(secret.generation(), 0);
}

#[test]
fn the_environment_is_read_or_the_variable_is_named() {
    // Cargo sets these; no test may set any, for threads read them.
    let secret = Secret::from_env("CARGO_PKG_NAME").unwrap();
    assert_eq!(&*secret.expose(), "fanout");
    assert_eq!(format!("{secret:?}"), "Secret(env CARGO_PKG_NAME)");
    refused(Secret::from_env("FANOUT_NOT_SET"), "FANOUT_NOT_SET is not set");
    refused(Secret::from_env("CARGO_PKG_HOMEPAGE"), "CARGO_PKG_HOMEPAGE is empty");
    for name in ["", "a=b", "a\0b"] {
        refused(Secret::from_env(name), "no possible name");
    }
}

#[test]
fn a_file_is_read_without_its_last_line_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    for (content, expected) in
        [("s3cret", "s3cret"), ("s3cret\n", "s3cret"), (" a\nb \r\n", " a\nb "), ("é\n", "é")]
    {
        fs::write(&path, content).unwrap();
        let secret = Secret::from_file(&path).unwrap();
        assert_eq!(&*secret.expose(), expected);
        assert_eq!(format!("{secret:?}"), format!("Secret(file {})", path.display()));
    }
}

#[test]
fn a_file_that_is_no_secret_is_refused_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let name = path.display().to_string();
    refused(Secret::from_file(&path), &name);
    refused(Secret::from_file(folder.path()), "it is no regular file");
    let too_long = vec![b'x'; LIMIT + 1];
    for (content, why) in [
        (&b""[..], "it is empty"),
        (b"\n", "it is empty"),
        (b"s3cret\xff", "it is not UTF-8"),
        (&too_long, "it is longer than 64 KiB"),
    ] {
        fs::write(&path, content).unwrap();
        refused(Secret::from_file(&path), &format!("{name}: {why}"));
    }
    fs::write(&path, &too_long[1..]).unwrap();
    assert_eq!(Secret::from_file(&path).unwrap().expose().len(), LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_is_read_again_after_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "one").unwrap();
    let secret = Secret::from_file(&path).unwrap();
    let held = secret.expose();
    fs::write(&path, "two").unwrap();
    assert_eq!(&*secret.expose(), "one", "looked at too often");
    tokio::time::advance(EVERY).await;
    let new = secret.expose();
    assert_eq!((&*new, new.generation()), ("two", 1));
    assert_eq!((&*held, held.generation()), ("one", 0), "what is held stays");

    fs::write(&path, "three").unwrap();
    assert_eq!(secret.check_now(), 2, "who was refused does not wait");
    assert_eq!(secret.check_now(), 2, "the same text again is no change");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_read_again_leaves_the_last_good_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "good").unwrap();
    let secret = Secret::from_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    assert_eq!(secret.check_now(), 0);
    fs::remove_file(&path).unwrap();
    assert_eq!(secret.check_now(), 0);
    assert_eq!(&*secret.expose(), "good");
    fs::write(&path, "better").unwrap();
    assert_eq!((secret.check_now(), &*secret.expose()), (1, "better"));
}

/// Kubernetes mounts `token -> ..data/token`, and swaps what `..data` leads to.
#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_swapped_link_counts_as_a_change() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().unwrap();
    let old = SystemTime::now() - Duration::from_secs(3600);
    for version in ["v1", "v2"] {
        fs::create_dir(folder.path().join(version)).unwrap();
        let path = folder.path().join(version).join("token");
        fs::write(&path, version).unwrap();
        // As old as each other, as long as each other: only their identity differs.
        File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    let data = folder.path().join("..data");
    symlink("v1", &data).unwrap();
    let path = folder.path().join("token");
    symlink("..data/token", &path).unwrap();
    let secret = Secret::from_file(&path).unwrap();
    assert_eq!(&*secret.expose(), "v1");
    assert!(secret.now(EVERY).stamp.is_some(), "an old file is judged by its looks");
    let swapped = folder.path().join("..data_tmp");
    symlink("v2", &swapped).unwrap();
    fs::rename(swapped, data).unwrap();
    assert_eq!((secret.check_now(), &*secret.expose()), (1, "v2"));
}

#[test]
fn clones_follow_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "one").unwrap();
    let secret = Secret::from_file(&path).unwrap();
    let clone = secret.clone();
    fs::write(&path, "two").unwrap();
    assert_eq!(secret.check_now(), 1);
    assert_eq!(&*clone.expose(), "two");
}
