//! The manual pages and shell completions, made from the command line's own definition, so that they cannot differ from it.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::error::Result;
use crate::view;

/// What `shell` reads to complete this program's commands.
pub fn completions(shell: Shell) -> view::Completions {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "usufruct", &mut script);
    view::Completions { shell: shell.to_string(), script: String::from_utf8_lossy(&script).into_owned() }
}

/// Writes one manual page a command into `folder`, in roff, section 1.
///
/// # Errors
/// Where the folder cannot be written.
pub fn write(folder: &Path) -> Result<view::ManualPages> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command(), folder)?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        files.push(entry?.path().display().to_string());
    }
    files.sort();
    Ok(view::ManualPages { files })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_know_the_commands_and_print_as_they_are() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = completions(shell).script;
            assert!(script.contains("inbox") && script.contains("dry-run"), "{shell}");
            assert!(!script.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{shell}");
        }
    }

    #[test]
    fn manual_has_a_page_for_each_command_and_none_for_hidden_ones() {
        let dir = tempfile::tempdir().unwrap();
        let files = write(dir.path()).unwrap().files;
        let has = |name: &str| files.iter().any(|file| file.ends_with(&format!("/{name}.1")));
        assert!(has("usufruct") && has("usufruct-job-settle") && has("usufruct-vault-recover"), "{files:?}");
        assert!(!has("usufruct-manual"));
        let page = std::fs::read_to_string(dir.path().join("usufruct.1")).unwrap();
        assert!(page.contains("Exit codes") && page.contains("USUFRUCT_HOME"), "{page}");
    }

    #[test]
    fn manual_into_a_file_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(write(file.path()).is_err());
    }
}
