//! Files that the file names: beside it, unless their path is absolute.

use std::io;
use std::path::{Path, PathBuf};

use super::{Place, Text};
use crate::ConfigError;

impl Place<'_> {
    /// Where the file `name` is, which is written here.
    pub(crate) fn path_of(&self, name: &Text<'_>) -> PathBuf {
        self.source.directory.join(Path::new(&**name))
    }

    /// Reads the file `name`, which is written here. One that cannot be read is booked as missing.
    pub(crate) fn read(&self, name: &Text<'_>) -> Result<Vec<u8>, ConfigError> {
        std::fs::read(self.path_of(name)).map_err(|error| self.unreadable(name, &error))
    }

    /// Books that the file `name` cannot be read.
    pub(crate) fn unreadable(&self, name: &Text<'_>, error: &io::Error) -> ConfigError {
        // What is written: the path in full would show what variables hold.
        let problem = format!("the file \"{}\" cannot be read: {}", name.shown(), why(error));
        self.absent(problem, "a relative path begins where this file is")
    }
}

/// Why a file cannot be read, without its path.
pub(crate) fn why(error: &io::Error) -> String {
    use io::ErrorKind::{InvalidData, IsADirectory, NotFound, PermissionDenied};
    match error.kind() {
        NotFound => "there is no such file".to_owned(),
        PermissionDenied => "permission denied".to_owned(),
        IsADirectory => "it is a directory".to_owned(),
        InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}
