//! Sets a replication up: shows what is due, and runs it once somebody has consented to just that.

use std::{pin::Pin, sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{
    admin::{Consent, SetUp, SetUpAnswer, SetUpError, SetUpReply, SetUpStep},
    app::{Running, reload::chain},
    clock,
    control::{CommandError, ControlHandle},
    cutover::{Actor, DatabaseStep, DatabaseStepOutcome, Refusal},
    plan::{Plan, ReplicationPlan},
    replication::setup::{self, Journal, Login, Step},
    units::PerSide,
};

/// Time for a change that is being recorded while a step wants to be written down.
const SETTLED_WITHIN: Duration = Duration::from_secs(2);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The set-up that runs, if one does. Dropped, it ends with the step that it is at.
#[derive(Default)]
pub(super) struct SettingUp(Option<Pin<Box<dyn Future<Output = ()>>>>);

impl SettingUp {
    /// Begins one and answers for it, unless another one runs.
    pub(super) fn begin(
        &mut self,
        running: &Running,
        request: SetUp,
        actor: Actor,
        reply: SetUpReply,
    ) {
        if self.0.is_some() {
            let text = "another set-up runs: ask again when it has ended".to_owned();
            return answer(reply, Err(SetUpError::Refused(text)));
        }
        let plan = Arc::clone(running.edition.load().plan());
        let control = running.control.clone();
        self.0 = Some(Box::pin(async move {
            answer(reply, set_up(&plan, control, request, actor).await);
        }));
    }

    /// Completes once, when one has ended.
    pub(super) async fn ended(&mut self) {
        match &mut self.0 {
            Some(running) => running.as_mut().await,
            None => std::future::pending().await,
        }
        self.0 = None;
    }
}

fn answer(reply: SetUpReply, result: Result<SetUpAnswer, SetUpError>) {
    if let Err(error) = &result {
        tracing::warn!(%error, "a replication was not set up");
    }
    if reply.send(result).is_err() {
        tracing::debug!("whoever asked for the set-up did not wait for its answer");
    }
}

async fn set_up(
    plan: &Plan,
    control: ControlHandle,
    request: SetUp,
    actor: Actor,
) -> Result<SetUpAnswer, SetUpError> {
    let plan = find(plan, request.name.as_deref())?;
    let PerSide { old, new } = request.logins;
    let logins = PerSide { old, new }.map(|it| Login {
        user: it.user,
        password: it.password,
    });
    let opened = setup::open(plan, &logins).await;
    let opened = opened.map_err(|error| SetUpError::Failed(chain(&error)))?;
    let mut answer = SetUpAnswer {
        name: plan.name.clone(),
        applied: false,
        consent: opened.consent(),
        steps: opened.steps.iter().map(shown).collect(),
        faults: opened.faults.clone(),
    };
    let Some(consent) = request.consent else {
        return Ok(answer);
    };
    let password = password(&consent)?;
    if consent.steps != answer.consent {
        let text =
            "these are not the steps that were shown: look at them again, and consent to those";
        return Err(SetUpError::Refused(text.to_owned()));
    }
    if !answer.faults.is_empty() && !consent.despite_faults {
        let text = format!(
            "the check finds what should be put right before: {}",
            answer.faults.join("; ")
        );
        return Err(SetUpError::Refused(text));
    }
    let journal = InJournal {
        control,
        replication: plan.name.clone(),
        actor,
    };
    let ran = opened.run(password, &journal).await;
    ran.map_err(|stopped| SetUpError::Failed(stopped.to_string()))?;
    answer.applied = true;
    Ok(answer)
}

fn find<'a>(plan: &'a Plan, name: Option<&str>) -> Result<&'a ReplicationPlan, SetUpError> {
    let all = &plan.replications;
    let names: Vec<_> = all.iter().map(|it| format!("{:?}", it.name)).collect();
    let unknown = |text: String| Err(SetUpError::Unknown(text));
    match (name, all.as_slice()) {
        (_, []) => unknown("the configuration has no [[replication]]".to_owned()),
        (None, [one]) => Ok(one),
        (None, _) => unknown(format!(
            "in the body: name is missing; expected one of {}",
            names.join(", ")
        )),
        (Some(name), all) => match all.iter().find(|it| it.name == name) {
            Some(found) => Ok(found),
            None => unknown(format!(
                "in the body: name is {name:?}; expected one of {}",
                names.join(", ")
            )),
        },
    }
}

fn password(consent: &Consent) -> Result<&str, SetUpError> {
    let password = std::str::from_utf8(consent.password.expose());
    password.map_err(|_invalid| SetUpError::Unknown("the password is no text".to_owned()))
}

fn shown(step: &Step) -> SetUpStep {
    SetUpStep {
        side: step.side,
        title: step.title.to_owned(),
        why: step.why.to_owned(),
        sql: step.sql.to_string(),
        undo: step.undo.clone(),
    }
}

/// The cutover's journal.
struct InJournal {
    control: ControlHandle,
    replication: String,
    actor: Actor,
}

impl InJournal {
    async fn write(
        &self,
        step: &Step,
        outcome: DatabaseStepOutcome,
        detail: String,
    ) -> Result<(), String> {
        let step = DatabaseStep {
            replication: self.replication.clone(),
            side: step.side,
            what: step.title.to_owned(),
            outcome,
            detail,
            actor: self.actor.clone(),
        };
        let deadline = clock::now() + SETTLED_WITHIN;
        loop {
            match self.control.database_step(step.clone()).await {
                Ok(done) if done.recorded => return Ok(()),
                Ok(_unrecorded) => return Err("the journal cannot be written".to_owned()),
                // What is being recorded is so in a moment.
                Err(CommandError::Refused(Refusal::Held(_))) if clock::now() < deadline => {
                    sleep(LOOK).await;
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

impl Journal for InJournal {
    async fn begins(&self, step: &Step) -> Result<(), String> {
        self.write(step, DatabaseStepOutcome::Begins, step.sql.to_string())
            .await
    }

    async fn failed(&self, step: &Step, why: &str) -> Result<(), String> {
        self.write(step, DatabaseStepOutcome::Failed, why.to_owned())
            .await
    }
}
