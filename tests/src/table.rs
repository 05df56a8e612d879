//! A table of cases by subjects: servers, or transports.

use std::fmt;

/// How each case went with each subject.
#[derive(Debug, Default)]
pub struct Table {
    cases: Vec<String>,
    subjects: Vec<String>,
    cells: Vec<(String, String, Cell)>,
}

/// How one case went with one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Cell {
    /// Well.
    Passed,
    /// Not well.
    Failed,
    /// It could not be run, for a reason that is printed elsewhere.
    NotSupported,
}

impl Table {
    /// Fills a cell.
    pub fn add(&mut self, case: &str, subject: &str, cell: Cell) {
        if !self.cases.iter().any(|known| known == case) {
            self.cases.push(case.to_owned());
        }
        if !self.subjects.iter().any(|known| known == subject) {
            self.subjects.push(subject.to_owned());
        }
        self.cells.push((case.to_owned(), subject.to_owned(), cell));
    }

    /// Returns whether something passed and nothing failed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.count(Cell::Passed) > 0 && self.count(Cell::Failed) == 0
    }

    fn count(&self, wanted: Cell) -> usize {
        self.cells.iter().filter(|(_, _, cell)| *cell == wanted).count()
    }

    fn cell(&self, case: &str, subject: &str) -> &'static str {
        let mut cells = self.cells.iter();
        match cells.find(|(of, by, _)| of == case && by == subject) {
            Some((_, _, Cell::Passed)) => "ok",
            Some((_, _, Cell::Failed)) => "FAILED",
            Some((_, _, Cell::NotSupported)) => "n/a",
            // It does not apply.
            None => "-",
        }
    }
}

impl fmt::Display for Table {
    /// Writes a line for each case, and a summary line of counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.cases.iter().map(String::len).max().unwrap_or(0);
        let line = |f: &mut fmt::Formatter<'_>, case: &str, cells: Vec<&str>| {
            let mut text = format!("{case:width$}");
            for (subject, cell) in self.subjects.iter().zip(cells) {
                text.push_str(&format!("  {cell:<0$}", subject.len().max("FAILED".len())));
            }
            writeln!(f, "{}", text.trim_end())
        };
        line(f, "case", self.subjects.iter().map(String::as_str).collect())?;
        for case in &self.cases {
            let cells = self.subjects.iter().map(|subject| self.cell(case, subject)).collect();
            line(f, case, cells)?;
        }
        let [passed, failed, not_supported] =
            [Cell::Passed, Cell::Failed, Cell::NotSupported].map(|cell| self.count(cell));
        writeln!(f, "{passed} passed, {failed} failed, {not_supported} not supported")
    }
}
