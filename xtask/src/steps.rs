//! Named steps, run one after the other, with a summary at the end.

use std::time::{Duration, Instant};

use crate::Result;

/// The steps that ran. A failed one does not stop the others: one run shows all that is wrong.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    name: String,
    elapsed: Duration,
    outcome: std::result::Result<String, String>,
}

impl Steps {
    /// Runs a step. What it returns is its line in the summary.
    pub(crate) fn run(&mut self, name: impl Into<String>, step: impl FnOnce() -> Result<String>) {
        let name = name.into();
        println!("\n=== {name}");
        let start = Instant::now();
        let outcome = step().map_err(|error| error.to_string());
        if let Err(error) = &outcome {
            println!("--- {name} failed: {error}");
        }
        self.done.push(Step { name, elapsed: start.elapsed(), outcome });
    }

    /// Prints the summary and returns whether every step went well.
    pub(crate) fn finish(self, title: &str) -> bool {
        let width = self.done.iter().map(|step| step.name.len()).max().unwrap_or(0);
        println!("\n=== summary of {title}");
        for Step { name, elapsed, outcome } in &self.done {
            let (mark, text) = match outcome {
                Ok(note) => ("ok    ", note),
                Err(error) => ("FAILED", error),
            };
            // A cause of several lines was shown when it happened.
            let text = text.lines().next().unwrap_or_default();
            println!("{mark}  {name:width$}  {:>6.1} s  {text}", elapsed.as_secs_f64());
        }
        let failed = self.done.iter().filter(|step| step.outcome.is_err()).count();
        let total: Duration = self.done.iter().map(|step| step.elapsed).sum();
        let (steps, seconds) = (self.done.len(), total.as_secs_f64());
        match failed {
            0 => println!("{title}: {steps} steps ok in {seconds:.1} s"),
            _ => println!("{title}: {failed} of {steps} steps FAILED in {seconds:.1} s"),
        }
        failed == 0
    }
}
