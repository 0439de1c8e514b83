//! Record sets: all records of one name and kind, with their values in one canonical form.
//!
//! Two sets are equal if every client would see the same in them: names are compared without regard to case, values by their
//! canonical text, and their order does not count.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
    hash::{Hash, Hasher},
    net::IpAddr,
    str::FromStr,
    time::Duration,
};

use hickory_resolver::proto::{
    rr::{
        DNSClass, Name, RData, Record, RecordType,
        rdata::{
            HTTPS, SVCB,
            svcb::{SvcParamKey, SvcParamValue},
        },
    },
    serialize::binary::{BinDecodable, BinDecoder, BinEncodable},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The kinds of records that decide where clients go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// Another name.
    Cname,
    /// How to connect, with hints of addresses (RFC 9460).
    Https,
}

/// How long a record set may be kept, in seconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Ttl(pub u32);

/// All records of one name and kind. In JSON: `name`, `type`, `ttl` in seconds, and `values` in presentation form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct RecordSet {
    /// Their name; always fully qualified.
    pub name: Name,
    /// Their kind.
    pub kind: Kind,
    /// How long resolvers may keep them.
    pub ttl: Ttl,
    /// What they say; each of [`RecordSet::kind`].
    pub values: BTreeSet<Value>,
}

/// A [`RecordSet`] as it is written down.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    ttl: Ttl,
    values: Vec<String>,
}

/// What one record says.
#[derive(Clone, Debug)]
pub struct Value {
    /// Canonical presentation form: what zone files and providers' interfaces understand, names with their last dot.
    text: String,
    data: RData,
}

/// A text is no value of its kind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text:?} is no value of {kind} records ({why})")]
pub struct ValueError {
    /// What was to be read.
    pub text: String,
    /// As what.
    pub kind: Kind,
    /// What is wrong with it.
    pub why: String,
}

impl Kind {
    /// Every kind, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::A, Self::Aaaa, Self::Cname, Self::Https];

    /// Its type on the wire.
    #[must_use]
    pub const fn record_type(self) -> RecordType {
        match self {
            Self::A => RecordType::A,
            Self::Aaaa => RecordType::AAAA,
            Self::Cname => RecordType::CNAME,
            Self::Https => RecordType::HTTPS,
        }
    }

    /// Its name, as in zone files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Https => "HTTPS",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut kinds = Self::ALL.into_iter();
        kinds
            .find(|it| it.name().eq_ignore_ascii_case(text))
            .ok_or(())
    }
}

impl Ttl {
    /// How long that is.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0)
    }
}

impl RecordSet {
    /// The records of the set as they go over the wire.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let record =
            |it: &Value| Record::from_rdata(self.name.clone(), self.ttl.0, it.data.clone());
        self.values.iter().map(record).collect()
    }

    /// The set of this name and kind among records of a server's answer; `None` if there is none. Where records of one set
    /// differ in their TTL, which RFC 2181 forbids, the lowest one counts, as it does for resolvers.
    #[must_use]
    pub fn among(records: &[Record], name: &Name, kind: Kind) -> Option<Self> {
        let of_set = records
            .iter()
            .filter(|it| it.name == *name && it.record_type() == kind.record_type());
        let of_set: Vec<&Record> = of_set.collect();
        let ttl = of_set.iter().map(|it| it.ttl).min()?;
        let values = of_set.iter().filter_map(|it| Value::of(&it.data));
        Some(Self {
            name: absolute(name),
            kind,
            ttl: Ttl(ttl),
            values: values.collect(),
        })
    }

    /// The same set with another TTL.
    #[must_use]
    pub fn with_ttl(&self, ttl: Ttl) -> Self {
        Self {
            ttl,
            ..self.clone()
        }
    }

    /// Whether both hold the same sets, TTLs and all, in any order; each set stands once in either.
    #[must_use]
    pub fn are_same(some: &[Self], others: &[Self]) -> bool {
        some.len() == others.len() && some.iter().all(|it| others.contains(it))
    }

    /// Whether both say the same to clients; the TTL is left out.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.name == other.name && self.kind == other.kind && self.values == other.values
    }
}

impl From<RecordSet> for Written {
    fn from(set: RecordSet) -> Self {
        Self {
            name: set.name.to_ascii(),
            kind: set.kind.name().to_owned(),
            ttl: set.ttl,
            values: set.values.iter().map(Value::to_string).collect(),
        }
    }
}

impl TryFrom<Written> for RecordSet {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written {
            name,
            kind,
            ttl,
            values,
        } = written;
        let read = Name::from_ascii(&name);
        let read = read.map_err(|error| format!("{name:?} is no name ({error})"))?;
        let unknown = |()| format!("{kind:?} is no kind of record that moves");
        let kind = kind.parse().map_err(unknown)?;
        let values = values.iter().map(|it| Value::parse(kind, it));
        Ok(Self {
            name: absolute(&read),
            kind,
            ttl,
            values: values
                .collect::<Result<_, _>>()
                .map_err(|error| error.to_string())?,
        })
    }
}

impl fmt::Display for RecordSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.ttl.0, self.kind)?;
        for (index, value) in self.values.iter().enumerate() {
            let separator = if index == 0 { " " } else { ", " };
            write!(f, "{separator}{value}")?;
        }
        Ok(())
    }
}

impl Value {
    /// Reads a value in presentation form, in any spelling.
    ///
    /// # Errors
    /// [`ValueError`] if it is no value of this kind.
    pub fn parse(kind: Kind, text: &str) -> Result<Self, ValueError> {
        let wrong = |why: String| ValueError {
            text: text.to_owned(),
            kind,
            why,
        };
        let data = match text.trim().strip_prefix("\\#") {
            Some(generic) => from_generic(kind, generic).map_err(wrong)?,
            None => {
                let data = RData::try_from_str(kind.record_type(), text.trim());
                data.map_err(|error| wrong(error.to_string()))?
            }
        };
        Self::of(&data).ok_or_else(|| wrong("of another kind".to_owned()))
    }

    /// The value of a record; `None` if it is of none of our kinds.
    #[must_use]
    pub fn of(data: &RData) -> Option<Self> {
        let (text, data) = match data {
            RData::A(it) => (it.to_string(), data.clone()),
            RData::AAAA(it) => (it.to_string(), data.clone()),
            RData::CNAME(target) => {
                let target = absolute(target);
                let data = RData::CNAME(hickory_resolver::proto::rr::rdata::CNAME(target.clone()));
                (target.to_ascii(), data)
            }
            RData::HTTPS(it) => {
                let mut service = it.0.clone();
                service.target_name = absolute(&service.target_name);
                // RFC 9460 section 2.2: in the order of their numbers.
                service.svc_params.sort_by_key(|(key, _)| u16::from(*key));
                let text = service_text(&service)?;
                (text, RData::HTTPS(HTTPS(service)))
            }
            _other => return None,
        };
        Some(Self { text, data })
    }

    /// The canonical presentation form.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What goes over the wire.
    #[must_use]
    pub const fn data(&self) -> &RData {
        &self.data
    }

    /// The addresses that clients may take from it, of an address record or of the hints of an HTTPS record.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let of_parameter = |value: &SvcParamValue| match value {
            SvcParamValue::Ipv4Hint(it) => it.0.iter().map(|it| IpAddr::V4(it.0)).collect(),
            SvcParamValue::Ipv6Hint(it) => it.0.iter().map(|it| IpAddr::V6(it.0)).collect(),
            _other => Vec::new(),
        };
        match &self.data {
            RData::A(it) => vec![IpAddr::V4(it.0)],
            RData::AAAA(it) => vec![IpAddr::V6(it.0)],
            RData::HTTPS(it) => {
                let parameters = it.0.svc_params.iter();
                parameters.flat_map(|(_, it)| of_parameter(it)).collect()
            }
            _other => Vec::new(),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Lower case and fully qualified.
fn absolute(name: &Name) -> Name {
    let mut name = name.to_lowercase();
    name.set_fqdn(true);
    name
}

/// The presentation form of RFC 9460 section 2.1; the generic one of RFC 3597 where a parameter has no form of its own.
fn service_text(service: &SVCB) -> Option<String> {
    let mut text = format!(
        "{} {}",
        service.svc_priority,
        service.target_name.to_ascii()
    );
    for (key, value) in &service.svc_params {
        let value = match value {
            SvcParamValue::Mandatory(it) => joined(it.0.iter().map(SvcParamKey::to_string)),
            SvcParamValue::Alpn(it) if it.0.iter().all(|it| is_plain(it)) => {
                joined(it.0.iter().cloned())
            }
            SvcParamValue::Port(it) => it.to_string(),
            SvcParamValue::Ipv4Hint(it) => joined(it.0.iter().map(ToString::to_string)),
            SvcParamValue::Ipv6Hint(it) => joined(it.0.iter().map(ToString::to_string)),
            SvcParamValue::EchConfigList(it) => it.to_string().trim_matches('"').to_owned(),
            SvcParamValue::NoDefaultAlpn => {
                text.push_str(" no-default-alpn");
                continue;
            }
            SvcParamValue::Alpn(_) | SvcParamValue::Unknown(_) => return generic_text(service),
        };
        write!(text, " {key}={value}").ok()?;
    }
    Some(text)
}

fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",")
}

/// Whether a protocol's name needs no escape.
fn is_plain(name: &str) -> bool {
    name.bytes()
        .all(|it| it.is_ascii_alphanumeric() || b"-._/".contains(&it))
}

fn generic_text(service: &SVCB) -> Option<String> {
    let bytes = service.to_bytes().ok()?;
    Some(format!("\\# {} {}", bytes.len(), hex::encode(bytes)))
}

/// Reads the generic form of RFC 3597 section 5: a length, then as many bytes in hexadecimal.
fn from_generic(kind: Kind, text: &str) -> Result<RData, String> {
    let mut words = text.split_ascii_whitespace();
    let length: Option<u16> = words.next().and_then(|it| it.parse().ok());
    let bytes = hex::decode(words.collect::<String>()).map_err(|error| error.to_string())?;
    let Some(length) = length.filter(|it| usize::from(*it) == bytes.len()) else {
        return Err("another length than it names".to_owned());
    };
    // A record of the root, from its name's single byte to its data.
    let mut record = vec![0];
    record.extend(u16::from(kind.record_type()).to_be_bytes());
    record.extend(u16::from(DNSClass::IN).to_be_bytes());
    record.extend(0_u32.to_be_bytes());
    record.extend(length.to_be_bytes());
    record.extend(bytes);
    let record = Record::read(&mut BinDecoder::new(&record));
    record.map(|it| it.data).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_in_any_spelling_and_written_in_one() {
        let check = |kind, text: &str, expected: &str| {
            let value = Value::parse(kind, text).expect("a value");
            assert_eq!(value.text(), expected);
            assert_eq!(Value::parse(kind, expected), Ok(value), "{expected}");
        };
        check(Kind::A, " 192.0.2.1 ", "192.0.2.1");
        check(Kind::Aaaa, "2001:DB8:0:0::1", "2001:db8::1");
        check(Kind::Cname, "Shop.Example.Test", "shop.example.test.");
        check(
            Kind::Https,
            "1 . ipv4hint=192.0.2.1,192.0.2.2 alpn=\"h2,h3\" port=8443",
            "1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1,192.0.2.2",
        );
        check(
            Kind::Https,
            "1 . alpn=h2 no-default-alpn",
            "1 . alpn=h2 no-default-alpn",
        );
        check(Kind::Https, "1 . ech=AAAA", "1 . ech=AAAA");
        check(Kind::Https, "0 CDN.example.test.", "0 cdn.example.test.");
    }

    #[test]
    fn a_parameter_without_a_form_of_its_own_survives() {
        let text = "\\# 10 00010002580003616263";
        let value = Value::parse(Kind::Https, text).expect("a value");
        assert_eq!(value.text(), text);
        assert!(Value::parse(Kind::Https, "\\# 9 00010002580003616263").is_err());
    }

    #[test]
    fn what_is_no_value_of_its_kind_is_refused() {
        for (kind, text) in [
            (Kind::A, "2001:db8::1"),
            (Kind::A, ""),
            (Kind::Aaaa, "192.0.2.1"),
            (Kind::Https, "alpn=h2"),
            (Kind::Https, "\\# 3 000"),
            (Kind::Cname, "a..b"),
        ] {
            let error = Value::parse(kind, text).expect_err(text);
            assert_eq!((error.kind, error.text.as_str()), (kind, text));
        }
    }

    #[test]
    fn hints_are_addresses_that_clients_may_use() {
        let value = Value::parse(Kind::Https, "1 . ipv4hint=192.0.2.1 ipv6hint=2001:db8::1");
        let addresses = value.expect("a value").addresses();
        let expected: [IpAddr; 2] = [[192, 0, 2, 1].into(), "2001:db8::1".parse().expect("one")];
        assert_eq!(addresses, expected);
    }

    #[test]
    fn a_set_is_written_and_read_the_same() {
        let text =
            r#"{"name":"shop.example.test.","type":"HTTPS","ttl":60,"values":["1 . alpn=h2"]}"#;
        let set: RecordSet = serde_json::from_str(text).expect("a set");
        assert_eq!(serde_json::to_string(&set).expect("it is data"), text);
        for (from, to) in [("HTTPS", "TXT"), ("1 .", "."), ("shop.", "shop..")] {
            let wrong = text.replacen(from, to, 1);
            assert!(
                serde_json::from_str::<RecordSet>(&wrong).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_set_is_found_in_an_answer_with_the_lowest_of_its_ttls() {
        let name = Name::from_ascii("Shop.Example.Test.").expect("a name");
        let record = |name: &str, ttl, kind, text| {
            let value = Value::parse(kind, text).expect("a value");
            let name = Name::from_ascii(name).expect("a name");
            Record::from_rdata(name, ttl, value.data().clone())
        };
        let answer = [
            record("shop.example.test.", 60, Kind::A, "192.0.2.2"),
            record("shop.example.test.", 30, Kind::A, "192.0.2.1"),
            record("other.example.test.", 5, Kind::A, "192.0.2.3"),
            record("shop.example.test.", 5, Kind::Aaaa, "2001:db8::1"),
        ];
        let set = RecordSet::among(&answer, &name, Kind::A).expect("a set");
        assert_eq!(
            set.to_string(),
            "shop.example.test. 30 A 192.0.2.1, 192.0.2.2"
        );
        assert_eq!(RecordSet::among(&answer, &name, Kind::Https), None);
    }
}
