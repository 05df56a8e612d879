//! A credential that does not show itself: given, from the environment, or from a file that may change.

use std::fs::{self, File};
use std::io::Read;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use std::{env, fmt, io};

use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::{Error, ErrorKind};

/// A credential: a password, a token, a key.
///
/// It never shows itself: `Debug` tells where it came from, and there is neither `Display` nor
/// serialisation. Its memory is wiped when the last holder lets go of it. Cheap to clone; clones are
/// the same secret.
///
/// One from a file follows the file: see [`from_file`](Self::from_file).
///
/// # Examples
///
/// ```
/// use fanout::Secret;
///
/// let secret = Secret::new("hunter2");
/// assert_eq!(format!("{secret:?}"), "Secret(***)");
/// assert_eq!(&*secret.expose(), "hunter2");
/// ```
#[derive(Clone)]
pub struct Secret(Arc<Inner>);

struct Inner {
    origin: Origin,
    now: Mutex<Now>,
}

enum Origin {
    Given,
    Env(String),
    File(PathBuf),
}

/// What a secret is at the moment.
struct Now {
    value: Arc<Zeroizing<String>>,
    generation: u64,
    /// How the file looked when it was read; none when it must be read again whatever it looks like.
    stamp: Option<Stamp>,
    looked: Instant,
}

/// The text of a [`Secret`], for as long as it is held. It is wiped with the last holder.
#[derive(Clone)]
pub struct Exposed {
    value: Arc<Zeroizing<String>>,
    generation: u64,
}

impl Secret {
    /// Makes a secret of this text, as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self::of(Origin::Given, Zeroizing::new(text.into()), None)
    }

    /// Reads a secret from the environment variable `name`, now and never again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`], naming the variable, when it is not set, empty, or not UTF-8.
    pub fn from_env(name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        let bad = |why: &str| {
            let shown: String = name.chars().take(128).flat_map(char::escape_debug).collect();
            Error::new(ErrorKind::Build, format!("the environment variable {shown} {why}"))
        };
        // The standard library panics on names that no variable can have.
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(bad("has no possible name"));
        }
        match env::var(&name) {
            Ok(text) if text.is_empty() => Err(bad("is empty")),
            Ok(text) => Ok(Self::of(Origin::Env(name), Zeroizing::new(text), None)),
            Err(env::VarError::NotPresent) => Err(bad("is not set")),
            // The value is in this error's Debug and Display: it goes no further.
            Err(env::VarError::NotUnicode(_)) => Err(bad("is not UTF-8")),
        }
    }

    /// Reads a secret from a file, and again whenever the file has changed.
    ///
    /// Line ends at the end of the file are not part of the secret. Whoever asks for the secret makes it
    /// look at the file, once a second at most: at its time, length and identity, symbolic links
    /// followed, as mounted secrets are swapped. Only a file that looks different is read. When
    /// it cannot be read then, or is empty, the last good text stays. These looks block for a moment, as
    /// short as reading the metadata of a local file is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`], naming the path, when the file cannot be read, is empty, longer than 64 KiB,
    /// or not UTF-8.
    pub fn from_file(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        match read(&path) {
            Ok((text, stamp)) => Ok(Self::of(Origin::File(path), text, stamp)),
            Err(why) => Err(Error::new(
                ErrorKind::Build,
                format!("the secret file {}: {why}", path.display()),
            )),
        }
    }

    /// Returns the text as it is now. Keep it no longer than needed: it does not follow the file.
    pub fn expose(&self) -> Exposed {
        let now = self.now(EVERY);
        Exposed { value: Arc::clone(&now.value), generation: now.generation }
    }

    /// Returns how many times the text has changed. It never does but for a file.
    pub fn generation(&self) -> u64 {
        self.now(EVERY).generation
    }

    /// Looks at the file now, however short ago that was done, and returns the generation: for somebody
    /// whose secret was just refused.
    pub fn check_now(&self) -> u64 {
        self.now(Duration::ZERO).generation
    }

    fn of(origin: Origin, text: Zeroizing<String>, stamp: Option<Stamp>) -> Self {
        let now = Now { value: Arc::new(text), generation: 0, stamp, looked: Instant::now() };
        Self(Arc::new(Inner { origin, now: Mutex::new(now) }))
    }

    /// Brings the text up to date, if the last look is so long ago.
    fn now(&self, every: Duration) -> MutexGuard<'_, Now> {
        let mut now = self.0.now.lock().unwrap_or_else(PoisonError::into_inner);
        if let Origin::File(path) = &self.0.origin
            && now.looked.elapsed() >= every
        {
            now.looked = Instant::now();
            now.follow(path);
        }
        now
    }
}

impl Now {
    fn follow(&mut self, path: &Path) {
        let same = |stamp: &Stamp| fs::metadata(path).is_ok_and(|data| Stamp::of(&data) == *stamp);
        if self.stamp.as_ref().is_some_and(same) {
            return;
        }
        let Ok((text, stamp)) = read(path) else { return };
        self.stamp = stamp;
        if *text != **self.value {
            self.value = Arc::new(text);
            self.generation += 1;
        }
    }
}

impl Exposed {
    /// Returns which of the secret's texts this is; see [`Secret::generation`].
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

impl Deref for Exposed {
    type Target = str;

    fn deref(&self) -> &str {
        self.value.as_str()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.origin {
            Origin::Given => f.write_str("Secret(***)"),
            Origin::Env(name) => write!(f, "Secret(env {name})"),
            Origin::File(path) => write!(f, "Secret(file {})", path.display()),
        }
    }
}

impl fmt::Debug for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exposed(***)")
    }
}

/// How a file looks from outside.
#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
    /// Device, inode, and the time of the last change of either, which nobody can set.
    #[cfg(unix)]
    identity: (u64, u64, i64, i64),
}

impl Stamp {
    fn of(data: &fs::Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt as _;
        Self {
            modified: data.modified().ok(),
            len: data.len(),
            #[cfg(unix)]
            identity: (data.dev(), data.ino(), data.ctime(), data.ctime_nsec()),
        }
    }

    /// Whether a change right after this look would be seen: clocks of file systems are coarse.
    fn is_telling(&self) -> bool {
        let age =
            self.modified.and_then(|modified| SystemTime::now().duration_since(modified).ok());
        age.is_some_and(|age| age > COARSE)
    }
}

/// Reads a file, and how it looked before it was read.
fn read(path: &Path) -> Result<(Zeroizing<String>, Option<Stamp>), String> {
    let told = |error: io::Error| error.to_string();
    // Before it is opened: opening a pipe waits for whoever writes to it.
    if !fs::metadata(path).map_err(told)?.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let file = File::open(path).map_err(told)?;
    let data = file.metadata().map_err(told)?;
    // All at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LIMIT + 1));
    file.take(LIMIT as u64 + 1).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() > LIMIT {
        return Err(format!("it is longer than {} KiB", LIMIT >> 10));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    let stamp = Stamp::of(&data);
    Ok((Zeroizing::new(text.to_owned()), stamp.is_telling().then_some(stamp)))
}

/// How often a file is looked at, at most.
const EVERY: Duration = Duration::from_secs(1);
/// The longest file that is taken for a secret, in bytes.
const LIMIT: usize = 64 << 10;
/// The coarsest clock of a file system that is common (FAT).
const COARSE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
