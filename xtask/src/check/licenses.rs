//! Every dependency has a licence that this project may be used with.

use spdx::{Expression, LicenseItem, LicenseReq};

use crate::Result;
use crate::workspace::Workspace;

/// Checks what everyone on every platform would compile, tests included.
pub(super) fn check(workspace: &Workspace) -> Result<String> {
    let dependencies = workspace.dependencies();
    let mut refused = 0;
    for package in &dependencies {
        if let Err(reason) = judge(package.text("license")) {
            println!("{} {}: {reason}", package.name(), package.version());
            refused += 1;
        }
    }
    match refused {
        0 => Ok(format!("{} dependencies", dependencies.len())),
        _ => Err(format!(
            "{refused} of {} dependencies have no accepted licence",
            dependencies.len()
        )
        .into()),
    }
}

/// Whether one way of reading the expression needs accepted licences only.
fn judge(license: Option<&str>) -> std::result::Result<(), String> {
    let Some(license) = license else { return Err("the manifest names no licence".to_owned()) };
    // Older manifests say `MIT/Apache-2.0` for `MIT OR Apache-2.0`.
    let expression = Expression::parse_mode(license, spdx::ParseMode::LAX)
        .map_err(|error| format!("{license:?} is not an SPDX expression: {}", error.reason))?;
    if expression.evaluate(is_accepted) {
        Ok(())
    } else {
        Err(format!("{license:?} is not accepted; see xtask/src/check/licenses.rs"))
    }
}

fn is_accepted(requirement: &LicenseReq) -> bool {
    let LicenseItem::Spdx { id, .. } = requirement.license else { return false };
    // An exception only ever permits more.
    ACCEPTED.contains(&id.name)
}

/// Permissive licences: nothing is asked of a user but to keep the notices.
const ACCEPTED: [&str; 9] = [
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    // The root certificates of `webpki-roots`: data, not code.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_accepted_way_is_enough_and_every_part_of_it_counts() {
        let check =
            |license, accepted| assert_eq!(judge(Some(license)).is_ok(), accepted, "{license}");
        check("MIT", true);
        check("MIT/Apache-2.0", true);
        check("Apache-2.0 WITH LLVM-exception", true);
        check("GPL-3.0-only OR MIT", true);
        check("(MIT OR Apache-2.0) AND Unicode-3.0", true);
        check("GPL-3.0-only", false);
        check("MIT AND GPL-3.0-only", false);
        check("LicenseRef-ours", false);
        check("free for all", false);
        assert!(judge(None).is_err());
    }
}
