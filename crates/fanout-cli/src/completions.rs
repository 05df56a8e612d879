//! `fanout completions`: what makes a shell complete the arguments.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::Failure;
use crate::ui;

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell: bash, zsh, fish, powershell or elvish
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    shell: Shell,
}

/// Prints the script for the shell.
pub(crate) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "fanout", &mut script);
    ui::write_out(&script)
}

pub(crate) const AFTER_HELP: &str = "\
Where it goes; a new shell has it then:
  bash        fanout completions bash > ~/.local/share/bash-completion/completions/fanout
  zsh         fanout completions zsh > ~/.zfunc/_fanout
              with `fpath+=~/.zfunc` before `autoload -Uz compinit && compinit` in ~/.zshrc
  fish        fanout completions fish > ~/.config/fish/completions/fanout.fish
  powershell  fanout completions powershell >> $PROFILE
  elvish      fanout completions elvish >> ~/.config/elvish/rc.elv";
