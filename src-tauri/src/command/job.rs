//! Jobs and tasks.

use app::home::Home;
use app::job;
use app::network::Network;
use app::view::{Act, Deadlines, Job, Jobs, Task, TaskKind, Tasks};
use tauri::State;

use crate::desk::{Answer, Desk};
use crate::task::Outcome;

/// Jobs on own datasets and jobs that this person asked for, newest first; each with what would leave, where it waits.
#[tauri::command]
#[specta::specta]
pub async fn job_inbox(desk: State<'_, Desk>) -> Answer<Jobs> {
    desk.off(|desk| desk.look(async |home, network| job::inbox(home, network).await)).await
}

/// One job.
#[tauri::command]
#[specta::specta]
pub async fn job_show(desk: State<'_, Desk>, job: String) -> Answer<Job> {
    desk.off(move |desk| desk.look(async |home, network| job::show(home, network, &job).await)).await
}

/// Allows a job to run, its output to leave and it to be settled, once the person confirmed it in the window `confirm`.
#[tauri::command]
#[specta::specta]
pub async fn job_approve(desk: State<'_, Desk>, job: String) -> Answer<Job> {
    desk.off(move |desk| {
        let facts = async |home: &mut Home, network: &Network| {
            let would = job::approve(home, network, &job, true).await?;
            let pays = format!("{} pays {} for it", would.licensee, would.price);
            Ok((would.job_id, [would.leaves, vec![pays]].concat()))
        };
        desk.with_consent(Act::Approve, facts, async |home, network| job::approve(home, network, &job, false).await)
    })
    .await
}

/// Refuses a job; the buyer is refunded.
#[tauri::command]
#[specta::specta]
pub async fn job_decline(desk: State<'_, Desk>, job: String) -> Answer<Job> {
    desk.off(move |desk| desk.act(async |home, network| job::decline(home, network, &job, false).await)).await
}

/// Runs an approved job to its proof, as a task with the stages read, compute, commit and prove. Goes on where an earlier
/// run stopped.
#[tauri::command]
#[specta::specta]
pub async fn job_run(desk: State<'_, Desk>, job: String) -> Answer<Task> {
    desk.off(move |desk| {
        let (device, subject) = (desk.device(), job.clone());
        let act = move |desk: &Desk| {
            let run = desk.act(async |home, network| job::run::run(home, network, &job, device).await);
            run.map(|job| Outcome::Job(Box::new(job)))
        };
        desk.start(TaskKind::Job, &subject, act)
    })
    .await
}

/// Settles a job that was accepted, as a task: its proof goes to the chain and its price is credited.
#[tauri::command]
#[specta::specta]
pub async fn job_settle(desk: State<'_, Desk>, job: String) -> Answer<Task> {
    desk.off(move |desk| {
        let subject = job.clone();
        let act = move |desk: &Desk| {
            let settled = desk.act(async |home, network| job::settle::run(home, network, &job, false).await);
            settled.map(|job| Outcome::Job(Box::new(job)))
        };
        desk.start(TaskKind::Settle, &subject, act)
    })
    .await
}

/// What this person has to do by when.
#[tauri::command]
#[specta::specta]
pub async fn deadline_list(desk: State<'_, Desk>) -> Answer<Deadlines> {
    desk.off(|desk| desk.look(async |home, network| job::deadlines(home, network).await)).await
}

/// What runs and what ended since the program started, newest first. Asked again at each `changed` event with `tasks`.
#[tauri::command]
#[specta::specta]
pub async fn task_list(desk: State<'_, Desk>) -> Answer<Tasks> {
    desk.off(|desk| desk.hold.open(|_| Ok(desk.tasks.list()))).await
}

/// Asks a task to stop; it does at its next step.
#[tauri::command]
#[specta::specta]
pub async fn task_stop(desk: State<'_, Desk>, task: u32) -> Answer<()> {
    desk.off(move |desk| desk.hold.open(|_| desk.tasks.stop(task))).await
}

/// Forgets a task that has ended.
#[tauri::command]
#[specta::specta]
pub async fn task_forget(desk: State<'_, Desk>, task: u32) -> Answer<()> {
    desk.off(move |desk| desk.hold.open(|_| desk.tasks.forget(task))).await
}
