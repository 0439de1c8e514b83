//! What Route 53 answers, read as it is, as it is not, and as nobody would expect.

use proptest::prelude::*;

use super::*;

fn page(sets: &str, rest: &str) -> Result<Document, String> {
    read(&format!(
        "<?xml version=\"1.0\"?>\n<ListResourceRecordSetsResponse xmlns=\"{NAMESPACE}\">\
         <ResourceRecordSets>{sets}</ResourceRecordSets>{rest}<MaxItems>300</MaxItems>\
         </ListResourceRecordSetsResponse>"
    ))
}

fn parts(sets: &str, rest: &str) -> (Vec<Listed>, Option<Start>) {
    let Ok(Document::ListResourceRecordSetsResponse(page)) = page(sets, rest) else {
        panic!("it is a page");
    };
    page.parts().expect("it says where it goes on")
}

fn set(rest: &str) -> String {
    format!("<ResourceRecordSet><Name>a.test.</Name><Type>A</Type>{rest}</ResourceRecordSet>")
}

#[test]
fn sets_of_every_kind_are_read() {
    let records = "<TTL>60</TTL><ResourceRecords><ResourceRecord><Value>192.0.2.1</Value></ResourceRecord>\
        <ResourceRecord><Value>192.0.2.2</Value></ResourceRecord></ResourceRecords>";
    let plain = set(records);
    let weighted = set(&format!(
        "<SetIdentifier>blue &amp; green</SetIdentifier><Weight>10</Weight>{records}<HealthCheckId>c0ffee</HealthCheckId>"
    ));
    let alias = set(
        "<AliasTarget><HostedZoneId>Z2</HostedZoneId><DNSName>lb.test.</DNSName>\
         <EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>",
    );
    let place = set(
        "<SetIdentifier>x</SetIdentifier><GeoLocation><CountryCode>*</CountryCode></GeoLocation>",
    );
    let sets = [plain, weighted, alias, place].concat();
    let (sets, next) = parts(&sets, "<IsTruncated>false</IsTruncated>");
    assert!(next.is_none());
    assert_eq!(sets[0].values(), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(
        (sets[0].ttl, sets[0].set_identifier.as_deref()),
        (Some(60), None)
    );
    assert_eq!(sets[1].set_identifier.as_deref(), Some("blue & green"));
    assert_eq!((sets[1].weight, sets[1].values().len()), (Some(10), 2));
    assert_eq!(sets[1].health_check_id.as_deref(), Some("c0ffee"));
    let alias = sets[2].alias_target.as_ref().map(|it| it.name.as_str());
    assert_eq!((alias, sets[2].ttl), (Some("lb.test."), None));
    assert!(sets[3].geo_location.is_some());
}

#[test]
fn a_page_says_where_the_next_one_begins() {
    let (sets, next) = parts(
        "",
        "<IsTruncated>true</IsTruncated><NextRecordName>b.test.</NextRecordName><NextRecordType>AAAA</NextRecordType>\
         <NextRecordIdentifier>blue</NextRecordIdentifier>",
    );
    let next = next.expect("it goes on");
    assert!(sets.is_empty());
    assert_eq!(next.name, "b.test.");
    assert_eq!(next.kind.as_deref(), Some("AAAA"));
    assert_eq!(next.identifier.as_deref(), Some("blue"));
    let Ok(Document::ListResourceRecordSetsResponse(page)) =
        page("", "<IsTruncated>true</IsTruncated>")
    else {
        panic!("it is a page");
    };
    assert!(page.parts().is_err(), "it does not say where");
}

#[test]
fn changes_are_read_and_their_ids_are_safe_in_a_path() {
    let check = |id: &str, status: &str, expected: Option<(&str, Status)>| {
        let text = format!(
            "<GetChangeResponse xmlns=\"{NAMESPACE}\"><ChangeInfo><Id>{id}</Id><Status>{status}</Status>\
             <SubmittedAt>2026-11-26T20:00:00Z</SubmittedAt></ChangeInfo></GetChangeResponse>"
        );
        let read = read(&text);
        let made = match &read {
            Ok(Document::GetChangeResponse(made)) => Some(&made.change_info),
            _other => None,
        };
        let found = made.and_then(|it| Some((it.id()?, it.status)));
        assert_eq!(found, expected, "{id} {status}");
    };
    check(
        "/change/C2682N5HXP0BZ4",
        "PENDING",
        Some(("C2682N5HXP0BZ4", Status::Pending)),
    );
    check(
        "C2682N5HXP0BZ4",
        "INSYNC",
        Some(("C2682N5HXP0BZ4", Status::InSync)),
    );
    check("/change/../hostedzone", "INSYNC", None);
    check("", "INSYNC", None);
    check("C1", "SOMEWHERE", None);
}

#[test]
fn both_kinds_of_errors_are_read() {
    let refused = read(
        "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Error>\
         <Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error>\
         <RequestId>1</RequestId></ErrorResponse>",
    );
    let Ok(Document::ErrorResponse(refused)) = refused else {
        panic!("it is one");
    };
    assert_eq!(refused.error.code, "Throttling");
    assert_eq!(refused.error.message, "Rate exceeded");
    let invalid = read(
        "<InvalidChangeBatch><Messages><Message>no &lt;such&gt; set</Message><Message>nor this</Message></Messages>\
         <RequestId>1</RequestId></InvalidChangeBatch>",
    );
    let Ok(Document::InvalidChangeBatch(invalid)) = invalid else {
        panic!("it is one");
    };
    assert_eq!(invalid.message(), "no <such> set; nor this");
}

#[test]
fn what_is_no_answer_of_route_53_is_none() {
    for text in [
        "",
        "welcome",
        "{}",
        "<html><body>welcome</body></html>",
        "<ListResourceRecordSetsResponse/>",
        "<GetChangeResponse><ChangeInfo></GetChangeResponse>",
        "<!DOCTYPE x [<!ENTITY a \"b\">]><ErrorResponse><Error><Code>&a;</Code></Error></ErrorResponse>",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

proptest! {
    /// Route 53 gives back what it was given, and a set is deleted by just that.
    #[test]
    fn values_are_read_as_they_were_written(
        values in prop::collection::vec("[!-~]([ -~]{0,30}[!-~])?", 1..4)
    ) {
        let all = values.iter().map(|it| Record { value: it.clone() });
        let records = Records { all: all.collect() };
        let text = quick_xml::se::to_string_with_root("ResourceRecords", &records);
        let text = set(&text.expect("it can be written"));
        let (sets, _) = parts(&text, "<IsTruncated>false</IsTruncated>");
        prop_assert_eq!(sets[0].values(), values);
    }

    #[test]
    fn no_text_is_too_strange_to_be_read(text in "[<>&;!/a-c\"'= -]{0,80}") {
        let _either = read(&text);
    }
}
