//! What runs in the background of the window, and what it tells the page.

use serde::Serialize;

use super::{Exported, Failure, Import, Job};

/// What a task does.
#[derive(Serialize, specta::Type, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Imports files.
    Import,
    /// Runs an approved job, to its proof.
    Job,
    /// Settles a job.
    Settle,
    /// Writes an encrypted backup.
    Backup,
    /// Reads records with the model, so that they are found by their meaning.
    Meaning,
}

/// How a task stands.
#[derive(Serialize, specta::Type, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Still at it.
    Running,
    /// Done; the outcome is in the task.
    Done,
    /// Ended by an error, which is in the task.
    Failed,
    /// Stopped by the person or by the lock.
    Stopped,
}

/// One task, running or ended. Tasks outlive a reload of the page and end with the program.
#[derive(Serialize, specta::Type, Clone, Debug)]
pub struct Task {
    /// Its number.
    pub id: u32,
    /// What it does.
    pub kind: TaskKind,
    /// What with: a source's name, a job's id, or nothing.
    pub subject: String,
    /// How it stands.
    pub state: TaskState,
    /// The stages it goes through, in order; none for most tasks.
    pub stages: Vec<String>,
    /// The stage it is in.
    pub stage: Option<String>,
    /// Of this stage, so much is done.
    pub done: u64,
    /// Of so much; zero while nobody knows.
    pub total: u64,
    /// Since when, RFC 3339.
    pub started_at: String,
    /// How long it took or takes, milliseconds.
    pub ms: u64,
    /// Why it failed or stopped.
    pub failure: Option<Failure>,
    /// What was imported.
    pub imported: Option<Import>,
    /// What was written.
    pub exported: Option<Exported>,
    /// The job afterwards.
    pub job: Option<Job>,
}

/// All tasks, newest first.
#[derive(Serialize, specta::Type)]
pub struct Tasks {
    /// They.
    pub tasks: Vec<Task>,
}

/// What the page should ask for again.
#[derive(Serialize, specta::Type, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A task went on or ended: `task_list`.
    Tasks,
    /// Files were dropped on the window or chosen: `import_preview`.
    Offered,
    /// Files are held over the window.
    Hovering,
    /// They no longer are.
    Left,
    /// Something in the vault changed: the lists.
    Vault,
    /// The settings changed: `settings_show`.
    Settings,
    /// The person wants to close the window while the vault is open: show `deadline_list` and what runs, then `app_quit`.
    /// Closing it a second time, while the page does not answer, ends the program without asking.
    Closing,
}

/// What only the confirmation window shows: exactly what will be done.
#[derive(Serialize, specta::Type, Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// What the answer must name; another one for each question.
    pub nonce: String,
    /// What is to be allowed.
    pub act: Act,
    /// What it is about: a name, an amount, an id.
    pub subject: String,
    /// On which network; none where nothing leaves the machine.
    pub network: Option<String>,
    /// What becomes public, leaves or is paid, in plain words.
    pub facts: Vec<String>,
}

/// What needs a person's word in a window of its own.
#[derive(Serialize, specta::Type, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// A dataset's manifest becomes public.
    Publish,
    /// Terms and price become public.
    Offer,
    /// A license ends; its unused runs are paid back.
    Revoke,
    /// A job may run, and its output leave.
    Approve,
    /// Jobs of one consumer may run ahead of any look.
    ApproveAlways,
    /// Another account may answer jobs.
    Delegate,
    /// Standing approvals go on while the vault is locked.
    Earn,
    /// What was earned is withdrawn.
    Withdraw,
}
