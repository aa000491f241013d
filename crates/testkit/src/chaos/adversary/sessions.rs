//! Sessions through the adversary: every word to or from one may be the engine's last.

use std::time::Duration;

use refloat_core::capture::{SessionEvent, SessionOrder, Sessions, Until};
use refloat_core::world::World;

use super::{Adversary, judge};

impl<W: World> Adversary<'_, W> {
    /// Counts a word to a session; false when the engine is dead or dies of it.
    fn may_speak(&self, what: &str) -> bool {
        if self.scene.is_dead() {
            return false;
        }
        let dies = self.scene.script.borrow_mut().at_word();
        if dies {
            self.scene.die(&format!("at a word: {what}"));
        }
        !dies
    }
}

impl<W: World> Sessions for Adversary<'_, W> {
    fn open(&self, name: &str, order: &SessionOrder) {
        if !self.may_speak("open") {
            return;
        }
        self.scene.say(format!("open the session of {name}"));
        let since = self.inner.now();
        let mut script = self.scene.script.borrow_mut();
        script.at_statement(name, 0);
        let session = (order.clone(), since, 0);
        script.life.sessions.insert(name.to_owned(), session);
        drop(script);
        self.inner.open(name, order);
    }

    fn send(&self, name: &str, text: &str, until: &Until) {
        if !self.may_speak("say") {
            return;
        }
        let mut script = self.scene.script.borrow_mut();
        let said = script.life.sessions.get_mut(name).map_or(0, |session| {
            session.2 += 1;
            session.2
        });
        script.at_statement(name, said);
        drop(script);
        let first = text
            .lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("(nothing)");
        self.scene.say(format!("say to {name}: {first}"));
        self.inner.send(name, text, until);
    }

    fn close(&self, name: &str) {
        if !self.may_speak("close") {
            return;
        }
        self.scene.say(format!("close the session of {name}"));
        self.scene.script.borrow_mut().life.sessions.remove(name);
        self.inner.close(name);
    }

    async fn next(&self, at_most: Duration) -> Option<(String, SessionEvent)> {
        self.live_on().await;
        if let Some(wrong) = judge::look(self.scene) {
            self.scene.is_wrong(wrong);
            self.live_on().await;
        }
        let idle = {
            let mut script = self.scene.script.borrow_mut();
            script.life.idle += 1;
            script.life.idle
        };
        let longer = if idle > 40 { at_most * 10 } else { at_most };
        let event = self.inner.next(longer).await;
        if let Some((name, said)) = &event {
            if !self.may_speak("hear") {
                self.live_on().await;
            }
            let mut script = self.scene.script.borrow_mut();
            script.life.idle = 0;
            if matches!(said, SessionEvent::Ended(_)) {
                script.life.sessions.remove(name);
            }
        }
        event
    }
}
