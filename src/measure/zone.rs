//! What the servers of a zone say, as the watch over them saw it last: written by who watches, read by the control loop.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::{ArcSwap, ArcSwapOption};

use serde::{Deserialize, Serialize};

use crate::{
    plan::dns::{RecordSet, Ttl},
    units::Timestamp,
};

/// A look that is older says nothing about the present: servers are asked once a second, each for two time-outs at most.
const STALE_AFTER: Duration = Duration::from_secs(10);

/// One look at every server of a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneLook {
    /// When it ended.
    pub at: Timestamp,
    /// Every address of every server; none where they could not be found.
    pub servers: Vec<ServerLook>,
    /// Why what they say counts for nothing: nobody could be asked, or a change is not everywhere yet.
    pub fault: Option<String>,
}

/// What one server said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerLook {
    /// The server's name.
    pub name: String,
    /// The address that was asked.
    pub address: SocketAddr,
    /// Every record set of the names that move, sorted by name and kind, or why that is not known.
    pub sets: Result<Vec<RecordSet>, String>,
    /// Whether this machine has no way to the address, and another address of the same server has answered for it.
    pub is_spoken_for: bool,
}

/// What one resolver said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverLook {
    /// Where it was asked.
    pub address: SocketAddr,
    /// What it says of the names that move, each set with the TTL that is left, or why that is not known.
    pub sets: Result<Vec<RecordSet>, String>,
}

/// Where looks stand.
#[derive(Debug, Default)]
pub struct ZoneBoard {
    look: ArcSwapOption<ZoneLook>,
    /// The resolvers of the plan, as they were seen last.
    resolvers: ArcSwap<Vec<ResolverLook>>,
    /// What an order waits for that is being carried out.
    progress: ArcSwap<Option<String>>,
    /// Why a change that was made is not everywhere yet, whatever the servers in sight say.
    spreading: ArcSwap<Option<String>>,
}

impl ZoneBoard {
    /// Puts up a look.
    pub fn put(&self, look: ZoneLook) {
        self.look.store(Some(Arc::new(look)));
    }

    /// Forgets it, as before other servers are watched.
    pub fn clear(&self) {
        self.look.store(None);
        self.resolvers.store(Arc::default());
        self.progress.store(Arc::default());
        self.spreading.store(Arc::default());
    }

    /// Puts up what resolvers said.
    pub fn put_resolvers(&self, looks: Vec<ResolverLook>) {
        self.resolvers.store(Arc::new(looks));
    }

    /// What resolvers said last.
    #[must_use]
    pub fn resolvers(&self) -> Arc<Vec<ResolverLook>> {
        self.resolvers.load_full()
    }

    /// Says what an order waits for that is being carried out, in words.
    pub fn say(&self, progress: Option<String>) {
        self.progress.store(Arc::new(progress));
    }

    /// What was said last.
    #[must_use]
    pub fn progress(&self) -> Option<String> {
        self.progress.load().as_ref().clone()
    }

    /// Says why a change that was made is not everywhere yet; `None` once nothing speaks against what the servers in sight say.
    pub fn spread(&self, until: Option<String>) {
        self.spreading.store(Arc::new(until));
    }

    /// What was said last.
    #[must_use]
    pub fn spreading(&self) -> Option<String> {
        self.spreading.load().as_ref().clone()
    }

    /// The last look, if it is recent.
    ///
    /// # Errors
    /// Why nothing is known.
    pub fn view(&self, now: Timestamp) -> Result<Arc<ZoneLook>, String> {
        let Some(look) = self.look.load_full() else {
            return Err("the zone's servers were not asked yet".to_owned());
        };
        let age = now.since(look.at);
        match age > STALE_AFTER {
            true => Err(format!(
                "the zone's servers were not asked for {} s",
                age.as_secs()
            )),
            false => Ok(look),
        }
    }
}

impl ZoneLook {
    /// What every server says by what is known of them.
    ///
    /// # Errors
    /// As [`ZoneBoard::view`], and as [`ZoneLook::unanimous`].
    pub fn said(known: &Result<Arc<Self>, String>) -> Result<&[RecordSet], String> {
        match known {
            Ok(look) => look.unanimous(),
            Err(why) => Err(why.clone()),
        }
    }

    /// What every server says.
    ///
    /// # Errors
    /// Which server does not say the same as the others, or does not answer.
    pub fn unanimous(&self) -> Result<&[RecordSet], String> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let mut said: Option<(&ServerLook, &[RecordSet])> = None;
        for server in self.heard() {
            let sets = server.known()?;
            match said {
                Some((first, before)) if before != sets => {
                    return Err(format!("{first} and {server} differ"));
                }
                Some(_) => (),
                None => said = Some((server, sets)),
            }
        }
        match said {
            Some((_, sets)) => Ok(sets),
            None => Err("the zone has no server".to_owned()),
        }
    }

    /// The servers whose word counts.
    pub fn heard(&self) -> impl Iterator<Item = &ServerLook> {
        self.servers.iter().filter(|it| !it.is_spoken_for)
    }

    /// The longest TTL that any server still gives out.
    ///
    /// # Errors
    /// Which server does not answer.
    pub fn ttl_max(&self) -> Result<Ttl, String> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let mut longest = None;
        for server in self.heard() {
            longest = longest.max(server.known()?.iter().map(|it| it.ttl).max());
        }
        longest.ok_or_else(|| "no server has any of the names".to_owned())
    }
}

impl ServerLook {
    fn known(&self) -> Result<&[RecordSet], String> {
        match &self.sets {
            Ok(sets) => Ok(sets),
            Err(why) => Err(format!("{self}: {why}")),
        }
    }
}

impl std::fmt::Display for ServerLook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.name, self.address)
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::Name;

    use super::*;
    use crate::plan::dns::{Kind, Value};

    fn server(last: u8, sets: Result<Vec<RecordSet>, String>) -> ServerLook {
        ServerLook {
            name: "ns.test.".to_owned(),
            address: ([127, 0, 0, last], 53).into(),
            sets,
            is_spoken_for: false,
        }
    }

    fn set(ttl: u32) -> RecordSet {
        RecordSet {
            name: Name::from_ascii("shop.test.").expect("a name"),
            kind: Kind::A,
            ttl: Ttl(ttl),
            values: [Value::parse(Kind::A, "192.0.2.1").expect("a value")].into(),
        }
    }

    fn look(servers: Vec<ServerLook>) -> ZoneLook {
        ZoneLook {
            at: Timestamp::from_micros(0),
            servers,
            fault: None,
        }
    }

    #[test]
    fn only_what_every_server_says_is_known() {
        let same = look(vec![
            server(1, Ok(vec![set(60)])),
            server(2, Ok(vec![set(60)])),
        ]);
        assert_eq!(same.unanimous(), Ok(&[set(60)][..]));
        let late = look(vec![
            server(1, Ok(vec![set(60)])),
            server(2, Ok(vec![set(3600)])),
        ]);
        let differ = "ns.test. at 127.0.0.1:53 and ns.test. at 127.0.0.2:53 differ";
        assert_eq!(late.unanimous(), Err(differ.to_owned()));
        assert_eq!(late.ttl_max(), Ok(Ttl(3600)));
        let mut silent = look(vec![
            server(1, Ok(vec![set(60)])),
            server(2, Err("no answer".to_owned())),
        ]);
        assert!(silent.unanimous().is_err() && silent.ttl_max().is_err());
        silent.servers[1].is_spoken_for = true;
        assert_eq!(silent.unanimous(), Ok(&[set(60)][..]));
        assert_eq!(silent.ttl_max(), Ok(Ttl(60)));
        assert!(
            look(Vec::new()).unanimous().is_err(),
            "nobody says anything"
        );
    }

    #[test]
    fn a_look_grows_old() {
        let board = ZoneBoard::default();
        let at = |seconds| Timestamp::from_micros(0).after(Duration::from_secs(seconds));
        assert!(board.view(at(0)).is_err());
        board.put(look(vec![server(1, Ok(Vec::new()))]));
        assert!(board.view(at(10)).is_ok());
        let old = "the zone's servers were not asked for 11 s".to_owned();
        assert_eq!(board.view(at(11)).map(|it| it.at), Err(old));
        board.say(Some("waits".to_owned()));
        board.spread(Some("is on its way".to_owned()));
        board.clear();
        assert!(board.view(at(0)).is_err() && board.progress().is_none());
        assert_eq!(board.spreading(), None);
    }
}
