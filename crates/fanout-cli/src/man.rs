//! `fanout man`: the manual pages, made of the same definition as `--help`.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;

use crate::args::Cli;
use crate::exit::Failure;
use crate::ui;

#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Write fanout.1 and a page for each command into this directory
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Prints the page of the whole, or writes all pages.
pub(crate) fn run(args: &ManArgs) -> Result<(), Failure> {
    match &args.directory {
        None => ui::write_out(&page(definition())),
        Some(directory) => write_all(directory).map_err(|(path, error)| {
            Failure::new(format!("cannot write {}: {error}", path.display()))
        }),
    }
}

/// Writes each page, and says which.
fn write_all(directory: &Path) -> Result<(), (PathBuf, io::Error)> {
    std::fs::create_dir_all(directory).map_err(|error| (directory.to_owned(), error))?;
    let whole = definition();
    let mut commands: Vec<_> = whole.get_subcommands().cloned().collect();
    commands.insert(0, whole);
    for command in commands {
        let path = directory.join(format!("{}.1", name(&command)));
        std::fs::write(&path, page(command)).map_err(|error| (path.clone(), error))?;
        ui::say(&path.display().to_string());
    }
    Ok(())
}

/// The arguments, with every command named as its page is: `fanout-send`.
fn definition() -> Command {
    let mut whole = Cli::command().disable_help_subcommand(true);
    whole.build();
    whole
}

fn name(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

/// One page.
///
/// As `clap_mangen` renders it, but for what stands below the options in `--help`: examples lose their
/// meaning when they are filled like prose, so each of its parts becomes a section, as it is laid out.
fn page(command: Command) -> Vec<u8> {
    let title = name(&command).to_uppercase();
    let below = command.get_after_long_help().or_else(|| command.get_after_help());
    let below = below.map(ToString::to_string).unwrap_or_default();
    let has_commands = command.has_subcommands();
    let man = Man::new(command);

    // Not the title that `clap_mangen` makes: without a date all that follows would move up by one. And
    // neither words nor addresses are torn apart.
    let version = env!("CARGO_PKG_VERSION");
    let mut page =
        format!(".TH \"{title}\" 1 \"\" \"fanout {version}\" \"Fanout Manual\"\n.nh\n.ad l\n")
            .into_bytes();
    let mut render = |part: fn(&Man, &mut dyn io::Write) -> io::Result<()>| {
        part(&man, &mut page).expect("a vector takes everything");
    };
    render(Man::render_name_section);
    render(Man::render_synopsis_section);
    render(Man::render_description_section);
    render(Man::render_options_section);
    if has_commands {
        render(Man::render_subcommands_section);
    }
    page.extend_from_slice(sections(&below).as_bytes());
    // An empty line, as between the paragraphs of a help text, is no roff.
    String::from_utf8_lossy(&page).replace("\n\n", "\n.sp\n").into_bytes()
}

/// A line that ends with a colon and is not indented begins a section of its name; what begins otherwise
/// belongs to the notes.
fn sections(below: &str) -> String {
    let mut text = String::new();
    for part in below.split("\n\n").filter(|part| !part.is_empty()) {
        let (first, rest) = part.split_once('\n').unwrap_or((part, ""));
        let is_indented = part.starts_with(' ');
        match first.strip_suffix(':') {
            Some(title) if !is_indented => section(&mut text, title, rest),
            // Another example: the section goes on.
            _ if is_indented => layout(&mut text, &format!("\n{part}")),
            _ => section(&mut text, "Notes", part),
        }
    }
    text
}

fn section(text: &mut String, title: &str, body: &str) {
    let title = match title {
        "Exit codes" => "EXIT STATUS".to_owned(),
        title => title.to_uppercase(),
    };
    let heading = format!(".SH \"{}\"\n", escaped(&title));
    if text.rfind(".SH ").is_some_and(|last| text[last..].starts_with(&heading)) {
        text.push_str(".PP\n");
    } else {
        text.push_str(&heading);
    }
    layout(text, body);
}

/// Lines as they are.
fn layout(text: &mut String, body: &str) {
    text.push_str(".nf\n");
    for line in body.lines() {
        let line = line.strip_prefix("  ").unwrap_or(line);
        // An empty line would be a warning of every checker.
        text.push_str(&if line.is_empty() { ".sp".to_owned() } else { escaped(line) });
        text.push('\n');
    }
    text.push_str(".fi\n");
}

/// What roff would take for its own is text.
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    let line = line.replace('`', "\\(ga").replace('~', "\\(ti").replace('"', "\\(dq");
    if line.starts_with('.') { format!("\\&{line}") } else { line }
}

pub(crate) const AFTER_HELP: &str = "\
Examples:
  fanout man | man -l -
  fanout man ~/.local/share/man/man1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_below_the_options_becomes_sections_laid_out_as_they_were() {
        let below =
            "Examples:\n  fanout a \\\n      -b\n\n  .c 'd'\n\nExit codes:\n  0  good\n\nMore.";
        assert_eq!(
            sections(below),
            ".SH \"EXAMPLES\"\n.nf\nfanout a \\e\n    \\-b\n.fi\n\
             .nf\n.sp\n\\&.c \\(aqd\\(aq\n.fi\n\
             .SH \"EXIT STATUS\"\n.nf\n0  good\n.fi\n\
             .SH \"NOTES\"\n.nf\nMore.\n.fi\n"
        );
    }
}
