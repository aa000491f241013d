//! When a recovered server counts as ready: it answers and takes writes.

use refloat_core::driver::{Outcome, Problem, Query, Seen, Task, Verdict, Why};
use serde_json::Value;

use super::types;
use crate::workload;

const READY_SQL: &str = "
SELECT JSON_OBJECT(
  'version', VERSION(),
  'read_only', CONCAT(@@global.read_only, ''),
  'innodb_read_only', @@global.innodb_read_only + 0,
  'force_recovery', @@global.innodb_force_recovery,
  'tables', (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE')
);
";

pub(super) fn ready(task: &Task<'_>, seen: &Seen) -> Result<Verdict, Problem> {
    let pod = workload::running_pod(task, seen)?;
    let request = types::sql(task, &pod, READY_SQL);
    if !seen.has(&Query::Exec(request.clone())) {
        return Ok(Verdict::Look(vec![Query::Exec(request)]));
    }
    let said = types::json_answer(task, seen.exec(&request)?)?;
    let is_zero = |key: &str| {
        said.get(key)
            .is_some_and(|value| matches!(value.to_string().trim_matches('"'), "0" | "OFF"))
    };
    for key in ["read_only", "innodb_read_only", "force_recovery"] {
        if !is_zero(key) {
            return Ok(Verdict::Wait(Why::new(
                "database-read-only",
                format!(
                    "{}: the server takes no writes ({key} = {})",
                    task.claim.thing,
                    said.get(key).cloned().unwrap_or(Value::Null)
                ),
            )));
        }
    }
    let mut outcome = Outcome::default();
    for (key, value) in said.as_object().into_iter().flatten() {
        outcome = outcome.with(key, value.clone());
    }
    Ok(Verdict::Done(outcome))
}
