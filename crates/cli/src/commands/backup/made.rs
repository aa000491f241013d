//! What a backup made, as it is printed. Called by `backup`.

use jiff::Timestamp;
use refloat_core::backup::{Mode, PointContent};
use refloat_vault::format::PointId;
use serde::Serialize;
use serde_json::{Value, json};

use crate::printer::{Printer, bytes, duration, moment};

/// What a backup made.
#[derive(Debug, Serialize)]
struct Made {
    point: String,
    run: String,
    mode: Option<Mode>,
    earliest_cut: Option<Timestamp>,
    seconds: f64,
    bytes: u64,
    bytes_added: u64,
    objects: u64,
    members: Value,
    findings: Value,
}

/// Prints what was made.
pub(super) fn show(content: &PointContent, point: &PointId, began: Timestamp, printer: Printer) {
    let took = Timestamp::now().duration_since(began);
    let made = Made {
        point: point.to_string(),
        run: content.run.to_string(),
        mode: content.weakest_mode(),
        earliest_cut: content.earliest_cut(),
        seconds: took.as_secs_f64(),
        bytes: content.parts.iter().map(|part| part.bytes).sum(),
        bytes_added: content.parts.iter().map(|part| part.bytes_added).sum(),
        objects: content.objects.as_ref().map_or(0, |objects| objects.count),
        members: json!(content.members),
        findings: json!(content.findings),
    };
    printer.result(&made, || {
        let mut text = format!("point {} is sealed\n", made.point);
        for member in &content.members {
            text.push_str(&format!(
                "  {} ({}): {}{}\n",
                member.name,
                member.driver,
                member.mode.as_str(),
                match (&member.held, member.mode.is_application_consistent()) {
                    (Some(held), _) => format!(
                        ", application-consistent: {} ({} ms, {})",
                        held.proof,
                        held.released.duration_since(held.since).as_millis(),
                        if held.freezes {
                            "writers waited"
                        } else {
                            "nothing waited"
                        }
                    ),
                    (None, true) => ", application-consistent by crash recovery".to_owned(),
                    (None, false) => ", crash-consistent only".to_owned(),
                }
            ));
        }
        if content.capture.as_ref().is_some_and(|times| !times.aligned) {
            text.push_str(match content.members.len() {
                1 => "  its volumes were not cut at one moment (aligned: no)\n",
                _ => "  its members are recovered to different moments (aligned: no)\n",
            });
        }
        if let Some(cut) = made.earliest_cut {
            text.push_str(&format!("  cut: {}\n", moment(cut)));
        }
        text.push_str(&format!(
            "  {} objects, {} in volumes, {} new in the vault, in {}\n",
            made.objects,
            bytes(made.bytes),
            bytes(made.bytes_added),
            duration(took)
        ));
        text.push_str(&format!(
            "next: `refloat verify --protection {}` with the key of the site that must be able to recover it\n",
            point.protection
        ));
        text
    });
}
