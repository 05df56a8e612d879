//! The foreign servers: started on free ports of the loopback interface, stopped when dropped.

pub(crate) mod certificates;
pub(crate) mod front;
pub(crate) mod mutual;
pub(crate) mod nginx;
pub(crate) mod openssl;
pub(crate) mod script;

use std::path::PathBuf;
use std::time::Duration;

/// How long anything may take that is known to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The path of a script or of a configuration.
pub(crate) fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("interop/scripts").join(name)
}
