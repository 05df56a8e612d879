//! What is done, kept so that a later run goes on: a log that is written as records finish.
//!
//! The first line says what the state belongs to. Each line behind it is the number of a record that is
//! done, or `to N` for all up to N. A line is one `write`, so the end of the process loses none; half a
//! line is none. Now and then the log is written anew, and takes the place of the old one at once.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use fanout::MessageId;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::failed::Origin;
use crate::exit::Failure;
use crate::send::data::unreadable;

/// An open state.
#[derive(Debug)]
pub(crate) struct State {
    path: PathBuf,
    file: File,
    header: Header,
    done: Done,
    /// The bytes of the log.
    length: u64,
    /// The bytes that the log had when it was written anew.
    fresh: u64,
}

/// What a state belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    fanout: String,
    version: u32,
    /// The ids of the messages derive from it.
    run: Uuid,
    input: Binding,
    origin: Origin,
}

/// By what an input is known again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Binding {
    format: String,
    bytes: u64,
    /// SHA-256 of the first 64 KiB.
    beginning: String,
}

/// Which records are done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// All up to this one.
    upto: u64,
    beyond: HashSet<u64>,
}

impl Done {
    pub(crate) fn insert(&mut self, number: u64) {
        if number > self.upto {
            self.beyond.insert(number);
            while self.beyond.remove(&(self.upto + 1)) {
                self.upto += 1;
            }
        }
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        number <= self.upto || self.beyond.contains(&number)
    }

    /// The record up to which all are.
    pub(crate) fn upto(&self) -> u64 {
        self.upto
    }
}

impl Binding {
    /// Looks at the file at `path`.
    pub(crate) fn of(format: &str, path: &Path) -> Result<Self, Failure> {
        let look = || -> io::Result<Self> {
            let file = File::open(path)?;
            let bytes = file.metadata()?.len();
            let mut beginning = Vec::new();
            file.take(64 << 10).read_to_end(&mut beginning)?;
            let hash = Sha256::digest(&beginning);
            let beginning = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(Self { format: format.to_owned(), bytes, beginning })
        };
        look().map_err(|error| unreadable(&path.display().to_string(), &error))
    }
}

impl State {
    /// Opens the state at `path`, or begins one. It is of this input and these targets alone.
    pub(crate) fn open(path: &Path, input: Binding, origin: Origin) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let wrong = |why: &str| Failure::new(format!("the state {name} {why}"));
        let cannot = |error: io::Error| wrong(&format!("cannot be written: {error}"));
        let mut file = private(path, false).map_err(cannot)?;
        lock(&file).map_err(|()| wrong("is in use by another run"))?;
        let run = Uuid::now_v7();
        let header = Header { fanout: "state".to_owned(), version: 1, run, input, origin };
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).map_err(cannot)?;
        if line.last() != Some(&b'\n') {
            if !line.is_empty() && !line.starts_with(b"{\"fanout\":\"state\"") {
                return Err(wrong("is no state: it holds something else"));
            }
            // New, or of a run that ended before it had sent anything.
            let mut state = Self {
                path: path.to_owned(),
                file,
                header,
                done: Done::default(),
                length: 0,
                fresh: 0,
            };
            state.rewrite().map_err(cannot)?;
            return Ok(state);
        }
        let known: Header = serde_json::from_slice(&line)
            .map_err(|_| wrong("is no state: it holds something else"))?;
        let again = "name another --state, and another --failed, to begin anew";
        if known.input != header.input {
            return Err(wrong("is of another input, or the input has changed since").hint(again));
        }
        if known.origin != header.origin {
            return Err(wrong("is of other targets than these").hint(again));
        }
        let mut done = Done::default();
        let mut length = line.len() as u64;
        loop {
            line.clear();
            reader.read_until(b'\n', &mut line).map_err(cannot)?;
            if line.last() != Some(&b'\n') {
                break;
            }
            length += line.len() as u64;
            let text = std::str::from_utf8(&line).unwrap_or_default().trim_end();
            let (text, all) = match text.strip_prefix("to ") {
                Some(text) => (text, true),
                None => (text, false),
            };
            let number: u64 = text.parse().map_err(|_| wrong("is damaged"))?;
            if all {
                done.upto = number;
            } else {
                done.insert(number);
            }
        }
        drop(reader);
        file.set_len(length).map_err(cannot)?;
        file.seek(SeekFrom::End(0)).map_err(cannot)?;
        Ok(Self { path: path.to_owned(), file, header: known, done, length, fresh: length })
    }

    /// What is done.
    pub(crate) fn done(&self) -> &Done {
        &self.done
    }

    /// From what the ids of the messages derive.
    pub(crate) fn run(&self) -> Uuid {
        self.header.run
    }

    /// Notes that this record is done: every sink has its message, or it is in the file of those that
    /// were not delivered.
    pub(crate) fn finish(&mut self, number: u64) -> Result<(), Failure> {
        if self.done.contains(number) {
            return Ok(());
        }
        self.done.insert(number);
        let line = format!("{number}\n");
        let written = self.file.write_all(line.as_bytes()).and_then(|()| {
            self.length += line.len() as u64;
            if self.length > self.fresh * 2 + REWRITE { self.rewrite() } else { Ok(()) }
        });
        let path = self.path.display();
        written.map_err(|error| Failure::new(format!("cannot write the state {path}: {error}")))
    }

    /// Another handle, to have the log on the disk from another thread.
    pub(crate) fn handle(&self) -> Option<File> {
        self.file.try_clone().ok()
    }

    /// Writes the log anew, and puts it in the place of the old one.
    fn rewrite(&mut self) -> io::Result<()> {
        let mut temporary = self.path.clone().into_os_string();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        let mut file = private(&temporary, true)?;
        lock(&file).map_err(|()| io::Error::other("another run writes it"))?;
        let header = serde_json::to_string(&self.header)?;
        let mut text = format!("{header}\nto {}\n", self.done.upto);
        for number in &self.done.beyond {
            text.push_str(&format!("{number}\n"));
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)?;
        self.file = file;
        self.length = text.len() as u64;
        self.fresh = self.length;
        Ok(())
    }
}

/// The id of a message of this run: the same for the same record in every run with one state, and for no
/// other content, so that no receiver takes one message for another.
pub(crate) fn message_id(run: Uuid, number: u64, payload: &[u8]) -> MessageId {
    let mut name = Vec::with_capacity(payload.len() + 8);
    name.extend_from_slice(&number.to_be_bytes());
    name.extend_from_slice(payload);
    let hash = Uuid::new_v5(&run, &name);
    MessageId::from_u128(Uuid::new_v8(hash.into_bytes()).as_u128())
}

/// A file for its owner alone.
fn private(path: &Path, empty: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(empty);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// Refuses a file that another run has. Not every file system has locks; there it goes without.
fn lock(file: &File) -> Result<(), ()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(()),
        Err(TryLockError::Error(_)) | Ok(()) => Ok(()),
    }
}

/// How much a log grows, in bytes, before it is written anew.
const REWRITE: u64 = 256 << 10;

#[cfg(test)]
mod tests {
    use super::super::failed::Targets;
    use super::*;

    fn origin(route: &str) -> Origin {
        let targets = Targets::Route { config: "fanout.toml".into(), route: route.to_owned() };
        Origin::new(vec!["a".to_owned()], Vec::new(), targets)
    }

    struct Place {
        dir: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("input"), "1\n2\n").unwrap();
            Self { dir }
        }

        fn path(&self) -> PathBuf {
            self.dir.path().join("state")
        }

        fn open(&self) -> Result<State, Failure> {
            let input = Binding::of("ndjson", &self.dir.path().join("input")).unwrap();
            State::open(&self.path(), input, origin("orders"))
        }
    }

    #[test]
    fn what_is_done_is_known_again_and_half_a_line_is_none() {
        let place = Place::new();
        let mut state = place.open().unwrap();
        for number in [2, 1, 5, 12] {
            state.finish(number).unwrap();
        }
        let run = state.run();
        drop(state);
        OpenOptions::new().append(true).open(place.path()).unwrap().write_all(b"1").unwrap();
        let mut state = place.open().unwrap();
        assert_eq!(state.run(), run);
        let done: Vec<_> = (0..14).filter(|number| state.done().contains(*number)).collect();
        assert_eq!(done, [0, 1, 2, 5, 12]);
        assert_eq!(state.done().upto(), 2);
        // The half line does not become a whole one with what is written behind it.
        state.finish(3).unwrap();
        drop(state);
        assert!(!place.open().unwrap().done().contains(13));
        assert!(place.open().unwrap().done().contains(3));
    }

    #[test]
    fn a_log_does_not_grow_for_ever() {
        let place = Place::new();
        let mut state = place.open().unwrap();
        for number in (1..=200_000).rev() {
            state.finish(number).unwrap();
        }
        state.finish(200_001).unwrap();
        drop(state);
        assert!(place.path().metadata().unwrap().len() < 2 * REWRITE + (2 << 20));
        let mut state = place.open().unwrap();
        assert_eq!(state.done(), &Done { upto: 200_001, beyond: HashSet::new() });
        for number in 200_002..400_000 {
            state.finish(number).unwrap();
        }
        assert!(place.path().metadata().unwrap().len() < 2 * REWRITE + (4 << 20));
        assert!(!place.dir.path().join("state.new").exists());
    }

    #[test]
    fn it_belongs_to_its_input_and_its_targets() {
        let place = Place::new();
        drop(place.open().unwrap());
        let input = Binding::of("ndjson", &place.dir.path().join("input")).unwrap();
        let other = State::open(&place.path(), input, origin("refunds")).unwrap_err();
        assert!(other.to_string().contains("is of other targets"), "{other}");
        fs::write(place.dir.path().join("input"), "1\n3\n").unwrap();
        let changed = place.open().unwrap_err().to_string();
        assert!(changed.contains("the input has changed since"), "{changed}");
        fs::write(place.path(), "my diary\n").unwrap();
        assert!(place.open().unwrap_err().to_string().contains("is no state"));
        assert_eq!(fs::read_to_string(place.path()).unwrap(), "my diary\n");
        fs::write(place.path(), "my diary").unwrap();
        assert!(place.open().unwrap_err().to_string().contains("is no state"));
        assert_eq!(fs::read_to_string(place.path()).unwrap(), "my diary");
    }

    #[test]
    fn two_runs_do_not_share_one() {
        let place = Place::new();
        let state = place.open().unwrap();
        let second = place.open().unwrap_err().to_string();
        assert!(second.ends_with("is in use by another run"), "{second}");
        drop(state);
        assert!(place.open().is_ok());
    }

    #[test]
    fn an_id_is_of_one_run_one_record_and_one_content() {
        let (run, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let id = message_id(run, 1, b"x");
        assert_eq!(id, message_id(run, 1, b"x"));
        for different in
            [message_id(other, 1, b"x"), message_id(run, 2, b"x"), message_id(run, 1, b"y")]
        {
            assert_ne!(id, different);
        }
    }
}
