//! Wrong files, each with everything that is said about it.

/// Whole files. In each pair: the text; then a line for each fault, without the file's name.
pub(super) const WHOLE: &[(&str, &str)] = &[
    (
        r#""#,
        r#"1:1: found no [old] in the file, expected [old], which has no default
1:1: found no [new] in the file, expected [new], which has no default"#,
    ),
    (
        r#"name = 5
[old]
endpoints = ["http://127.0.0.1:9001"]
[new]
endpoints = ["http://127.0.0.1:9002"]"#,
        r#"1:8: found an integer, expected a string of 1 to 64 characters"#,
    ),
    (
        r#"name = ""
[old]
endpoints = ["http://127.0.0.1:9001"]
[new]
endpoints = ["http://127.0.0.1:9002"]"#,
        r#"1:8: found "" (0 characters), expected 1 to 64 characters"#,
    ),
    (
        r#"name = " shop"
[old]
endpoints = ["http://127.0.0.1:9001"]
[new]
endpoints = ["http://127.0.0.1:9002"]"#,
        r#"1:8: found " shop", expected printable characters without spaces around them"#,
    ),
    (
        r#"nmae = "shop"
[old]
endpoints = ["http://127.0.0.1:9001"]
[new]
endpoints = ["http://127.0.0.1:9002"]"#,
        r#"1:1: found unknown key "nmae" in the file, expected one of name, workers, store, admin, listener, old, new, split, route, ramp, evidence, trigger, gate, rollback, forwarding, resolver, replication, dns, shadow, timeouts, limits; did you mean "name"?"#,
    ),
    (
        r#"name = shop
[old]
endpoints = ["http://127.0.0.1:9001"]
[new]
endpoints = ["http://127.0.0.1:9002"]"#,
        r#"1:8: found string values must be quoted (no valid TOML), expected literal string; texts stand in quotes"#,
    ),
    (
        r#"name = "shop
[old]
endpoints = ["http://127.0.0.1:9001"]
[new]
endpoints = ["http://127.0.0.1:9002"]"#,
        r#"1:13: found invalid basic string (no valid TOML), expected `"`; texts stand in quotes"#,
    ),
    (
        r#"name = "a"
name = "b"
[old]
endpoints = ["http://127.0.0.1:9001"]
[new]
endpoints = ["http://127.0.0.1:9002"]"#,
        r#"2:1: found the key "name" for the second time, expected each key once in a table"#,
    ),
    (
        r#"workers = 0
[old]
endpoints = ["http://127.0.0.1:9001"]
[new]
endpoints = ["http://127.0.0.1:9002"]"#,
        r#"1:11: found 0, expected from 1 to 1024"#,
    ),
    (
        r#"workers = -1
[old]
endpoints = ["http://127.0.0.1:9001"]
[new]
endpoints = ["http://127.0.0.1:9002"]"#,
        r#"1:11: found -1, expected a whole number from 1 to 1024"#,
    ),
    (
        r#"workers = "two"
[old]
endpoints = ["http://127.0.0.1:9001"]
[new]
endpoints = ["http://127.0.0.1:9002"]"#,
        r#"1:11: found a string, expected a whole number from 1 to 1024"#,
    ),
    (
        r#"old = "http://a"
[new]
endpoints = ["http://b"]"#,
        r#"1:7: found a string, expected one table, [old]"#,
    ),
    (
        r#"[old]
[new]
endpoints = ["http://b"]"#,
        r#"1:1: found no "endpoints" in [old], expected "endpoints", which has no default"#,
    ),
    (
        r#"[old]
endpoints = []
[new]
endpoints = ["http://b"]"#,
        r#"2:13: found an empty list, expected at least one URL"#,
    ),
    (
        r#"[old]
endpoints = "http://a"
[new]
endpoints = ["http://b"]"#,
        r#"2:13: found a string, expected a list of URLs; put it in brackets: ["http://…"]"#,
    ),
    (
        r#"[old]
endpoints = ["http://a", "http://a:80"]
[new]
endpoints = ["http://b"]"#,
        r#"2:26: found "http://a:80" for the second time, expected each endpoint once"#,
    ),
    (
        r#"[old]
endpoints = ["10.0.0.5:8080"]
[new]
endpoints = ["htps://b"]"#,
        r#"2:14: found "10.0.0.5:8080", expected a URL such as "http://10.0.0.5:8080"; write "http://10.0.0.5:8080"
4:14: found "htps", expected a scheme of "http", "h2c", "https"; did you mean "https"?"#,
    ),
    (
        r#"[old]
endpoints = ["http://ada:hunter2@a"]
[new]
endpoints = ["http://b/shop"]"#,
        r#"2:14: found a URL with user information, expected a URL such as "http://10.0.0.5:8080"; leave out what stands before the @
4:14: found "http://b/shop", expected a URL without a path; write "http://b""#,
    ),
    (
        r#"[old]
endpoints = ["http://a:70000"]
[new]
endpoints = ["http://b_:/"]"#,
        r#"2:14: found "http://a:70000", expected a port from 1 to 65535 after the colon
4:14: found "http://b_:/", expected a port from 1 to 65535 after the colon"#,
    ),
    (
        r#"[old]
endpoints = ["http://a"]
enpoints = 1
[nwe]
endpoints = ["http://b"]"#,
        r#"1:1: found no [new] in the file, expected [new], which has no default
3:1: found unknown key "enpoints" in [old], expected one of endpoints, host, health, ejection, tls, http1; did you mean "endpoints"?
4:2: found unknown key "nwe" in the file, expected one of name, workers, store, admin, listener, old, new, split, route, ramp, evidence, trigger, gate, rollback, forwarding, resolver, replication, dns, shadow, timeouts, limits; did you mean "new"?"#,
    ),
    (
        r#"[[old]]
endpoints = ["http://a"]
[new]
endpoints = ["http://b"]"#,
        r#"1:1: found an array, as of [[old]], expected one table, [old]"#,
    ),
    (
        r#"[old]
endpoints = ["http://ä"]
[new]
endpoints = [ "http://b", 'ftp://c' ]"#,
        r#"2:14: found "http://ä", expected a host such as "shop.example" or an IP address
4:27: found "ftp", expected a scheme of "http", "h2c", "https""#,
    ),
];

/// What comes after the four lines of [`super::LEAST`]: it begins at line 5. `DIR` is the file's directory.
pub(super) const SECTIONS: &[(&str, &str)] = &[
    (
        r#"[store]
url = "postgres://ada:hunter2@db/x""#,
        r#"6:7: found a "postgres:" URL, expected "sqlite:PATH"; a store shared by a fleet is not available in this version"#,
    ),
    (
        r#"[store]
url = "sqlite:""#,
        r#"6:7: found "sqlite:", expected a file's path after "sqlite:""#,
    ),
    (
        r#"[store]
url = "changeover.db""#,
        r#"6:7: found something that does not begin with "sqlite:", expected "sqlite:PATH"; such as "sqlite:changeover.db""#,
    ),
    (
        r#"[store]
path = "x""#,
        r#"6:1: found unknown key "path" in [store], expected one of url, observations"#,
    ),
    (
        r#"[admin]
address = "0.0.0.0:9700""#,
        r#"6:11: found 0.0.0.0:9700 without operators, expected a loopback address, or operators; add an [[admin.operator]], or anybody who reaches it could steer"#,
    ),
    (
        r#"[admin]
address = "localhost:9700""#,
        r#"6:11: found "localhost:9700", expected an IP address with a port, such as "127.0.0.1:8080" or "[::]:8080"; write the address: "127.0.0.1:9700""#,
    ),
    (
        r#"[admin]
address = "127.0.0.1""#,
        r#"6:11: found "127.0.0.1", expected an IP address with a port, such as "127.0.0.1:8080" or "[::]:8080"; add a port: "127.0.0.1:8080""#,
    ),
    (
        r#"[admin]
hosts = ["a b", 7]"#,
        r#"6:10: found "a b", expected a host such as "shop.example" or an IP address
6:17: found an integer, expected a host such as "shop.example" or an IP address"#,
    ),
    (
        r#"[admin]
certificates = []
requests_per_second = 0
connections_per_peer = 257"#,
        r#"6:16: found no certificate, expected at least one, or no `certificates`
7:23: found 0, expected from 1 to 100000
8:24: found 257, expected from 1 to 256"#,
    ),
    (
        r#"[admin]
client_ca = "no-cert.pem""#,
        r#"6:1: found `client_ca` without `certificates`, expected both, or none; clients show certificates over TLS only
6:13: found no certificate in "DIR/no-cert.pem", expected a PEM file with certificates"#,
    ),
    (
        r#"[[admin.operator]]
name = "ada"
token_sha256 = "hunter2"
role = "aprover""#,
        r#"7:16: found a string that is no SHA-256, expected 64 hexadecimal digits; see `printf %s TOKEN | sha256sum`
8:8: found "aprover", expected one of "viewer", "operator", "approver"; did you mean "approver"?"#,
    ),
    (
        r#"[[admin.operator]]
name = "ada"
token_sha256 = "00000000000000000000000000000000000000000000000000000000000000ff"
role = "viewer"
[[admin.operator]]
name = "ada"
token_sha256 = "00000000000000000000000000000000000000000000000000000000000000FF"
role = "viewer""#,
        r#"10:8: found "ada" for the second time, expected each [[admin.operator]] to have another name
11:16: found the token of another operator, expected one of its own"#,
    ),
    (
        r#"[[admin.operator]]
name = "ada"
token_sha256 = 1234"#,
        r#"5:1: found no "role" in [[admin.operator]], expected "role", which has no default
7:16: found an integer, expected 64 hexadecimal digits in quotes; see `printf %s TOKEN | sha256sum`"#,
    ),
    (
        r#"[[listener]]"#,
        r#"5:1: found no "address" in [[listener]], expected "address", which has no default"#,
    ),
    (
        r#"[listener]
address = "127.0.0.1:8080""#,
        r#"5:1: found a table, expected a list of tables, each headed [[listener]]; write [[listener]]"#,
    ),
    (
        r#"[[listener]]
address = "127.0.0.1:9700""#,
        r#"6:11: found 127.0.0.1:9700, expected another address; the admin API listens there; change one of the two"#,
    ),
    (
        r#"[[listener]]
address = "127.0.0.1:1"
[[listener]]
address = "127.0.0.1:1""#,
        r#"8:11: found "127.0.0.1:1" for the second time, expected each [[listener]] to have another address"#,
    ),
    (
        r#"[[listener]]
address = "127.0.0.1:1"
certificates = [{ chain = "no-such.pem", key = "-----BEGIN PRIVATE KEY-----" }]"#,
        r#"7:27: found "DIR/no-such.pem", which cannot be read (entity not found), expected the path of a readable PEM file
7:48: found PEM text, expected the path of a PEM file; put it into a file and name that"#,
    ),
    (
        r#"[[listener]]
address = "127.0.0.1:1"
certificates = [{ chain = "no-cert.pem", key = "no-cert.pem" }]"#,
        r#"7:27: found no certificate in "DIR/no-cert.pem", expected a PEM file with certificates
7:48: found no private key in "DIR/no-cert.pem", expected a PEM file with an unencrypted private key"#,
    ),
    (
        r#"[[listener]]
address = "127.0.0.1:1"
certificates = { chain = "a", key = "b" }"#,
        r#"7:16: found a table, expected a list of tables, each headed [[listener.certificates]]; write [[listener.certificates]]"#,
    ),
    (
        r#"[new.health]
interval = "2""#,
        r#"5:1: found no "path" in [new.health], expected "path", which has no default
6:12: found "2", expected a duration such as "250ms", "1m30s" or "7d""#,
    ),
    (
        r#"[new.health]
path = "healthz"
interval = "1s"
timeout = "2s""#,
        r#"6:8: found "healthz", expected a path such as "/healthz", with or without a query
8:11: found 2s between checks every 1s, expected a timeout no longer than the interval"#,
    ),
    (
        r#"[new.health]
path = "/"
unhealthy_after = 0
healthy_after = 1.5"#,
        r#"7:19: found 0, expected from 1 to 100
8:17: found a float, expected a whole number from 1 to 100"#,
    ),
    (
        r#"[new.ejection]
connect_failures = 3000000000
time = "10m"
time_max = "1m"
share_max = 0.5"#,
        r#"6:20: found 3000000000, expected from 1 to 1000
8:12: found 1m below a first time of 10m, expected no less than `time`
9:13: found a float, expected a share such as "2.5%"; write it in quotes, with its percent sign"#,
    ),
    (
        r#"[new.tls]
verify = false"#,
        r#"5:1: found [new.tls] beside endpoints without TLS, expected an "https://" endpoint to use it for; change the endpoints or leave the table out"#,
    ),
    (
        r#"[split]
sticky = "cookies""#,
        r#"6:10: found "cookies", expected one of "none", "cookie", "client-ip", "header:NAME"; did you mean "cookie"?"#,
    ),
    (
        r#"[split]
sticky = "header:""#,
        r#"6:10: found "header:", expected the name of a header field such as "x-tenant""#,
    ),
    (
        r#"[split]
sticky = "header:Connection""#,
        r#"6:10: found "header:Connection", expected the name of a header field such as "x-tenant"; HTTP itself uses this one; choose another"#,
    ),
    (
        r#"[split]
sticky = "none"
cookie = { name = "x" }"#,
        r#"7:1: found `cookie` beside another `sticky`, expected `sticky = "cookie"`, or no `cookie`"#,
    ),
    (
        r#"[split]
sticky = "none"
writes = "split"
read_your_writes = "10s""#,
        r#"8:1: found `read_your_writes` with `sticky = "none"`, expected a `sticky` that a client is recognised by
8:1: found `read_your_writes` beside another `writes`, expected `writes = "old"`, or no `read_your_writes`"#,
    ),
    (
        r#"[split]
cookie = { name = "a b", lifetime = "1s" }"#,
        r#"6:19: found "a b", expected 1 to 64 letters, digits or any of !#$%&'*+-.^_`|~
6:37: found 1s, expected from 1m to 400d"#,
    ),
    (
        r#"[evidence]
false_alarms = "0.1%"
error_limit = "50%"
tolerate = { errors = 0.5, latency = "1.1", bytes = 2 }"#,
        r#"6:16: found a string, expected a chance such as 0.001
7:15: found "50%", expected a share from "0.01%" to "20%"
8:23: found 0.5, expected a factor from 1 to 1000
8:38: found "1.1", expected a tolerance such as "1.1x + 5ms", "1.5x" or "20ms"
8:45: found unknown key "bytes" in [evidence.tolerate], expected one of errors, latency"#,
    ),
    (
        r#"[evidence]
by_route = ["error", "401"]"#,
        r#"6:13: found "error", expected one of "errors", "redirects", "401", "403", "404", "aborts", "slow"; did you mean "errors"?"#,
    ),
    (
        r#"[evidence]
false_alarms = 0.5
error_limit = "0.001%"
holdback = "60%"
[ramp]
advance = "time""#,
        r#"6:16: found 0.5, expected a chance from 0 to 0.1; 0 leaves everything to the triggers
7:15: found "0.001%", expected a share from "0.01%" to "20%"
8:12: found "60%", expected at most "50%"
10:11: found "time", expected one of "evidence", "bake""#,
    ),
    (
        r#"[split]
writes = "both"
reveal = "yes""#,
        r#"6:10: found "both", expected one of "old", "split", "new"
7:10: found a string, expected true or false"#,
    ),
    (
        r#"[split]
force = {}"#,
        r#"6:9: found no "secret_file" or "secret_env" in [split.force], expected "secret_file" or "secret_env", which has no default"#,
    ),
    (
        r#"[split]
force = { secret = "hunter2" }"#,
        r#"6:9: found no "secret_file" or "secret_env" in [split.force], expected "secret_file" or "secret_env", which has no default
6:11: found unknown key "secret" in [split.force], expected one of header, secret_file, secret_env"#,
    ),
    (
        r#"[split]
force = { secret_file = "hunter2" }"#,
        r#"6:25: found a file that cannot be read (entity not found), expected the path of a readable file with the secret"#,
    ),
    (
        r#"[split]
force = { secret_file = "short.secret" }"#,
        r#"6:25: found a secret of 7 bytes, expected at least 32 bytes; see `openssl rand -hex 32`"#,
    ),
    (
        r#"[split]
force = { secret_env = "hunter2 hunter2" }"#,
        r#"6:24: found the name of no environment variable that is set, expected the name of one that holds the secret"#,
    ),
    (
        r#"[split]
force = { secret_file = "a", secret_env = "b" }"#,
        r#"6:30: found `secret_env` beside `secret_file`, expected one of them"#,
    ),
    (
        r#"[split]
force = "hunter2""#,
        r#"6:9: found a string, expected one table, [split.force]"#,
    ),
    (
        r#"[[route]]
path = "api""#,
        r#"5:1: found no "name" in [[route]], expected "name", which has no default
6:8: found "api", expected a path prefix such as "/api"; begin with a slash: "/api""#,
    ),
    (
        r#"[[route]]
name = "rest"
path = "/a/../b""#,
        r#"6:8: found "rest", expected another name; this one stands for what no route matches
7:8: found "/a/../b", expected a path prefix such as "/api"; leave out the dot segments"#,
    ),
    (
        r#"[[route]]
name = "a"
path = "/%41"
methods = ["get", "GTE", "PROPFIND"]"#,
        r#"7:8: found "/%41", expected a path prefix such as "/api"; write the character itself for "%41"
8:12: found "get", expected a method such as "GET", in capitals; did you mean "GET"?
8:19: found "GTE", expected a method such as "GET", in capitals; did you mean "GET"?"#,
    ),
    (
        r#"[[route]]
name = "a"
host = "a:80"
pin = "nwe""#,
        r#"7:8: found "a:80", expected a host such as "shop.example" or an IP address; leave the port out
8:7: found "nwe", expected one of "old", "new"; did you mean "new"?"#,
    ),
    (
        r#"[[route]]
name = "a"
pin = "new"
writes = "new""#,
        r#"8:1: found `writes` beside `pin`, expected one of them; a pin decides for every method"#,
    ),
    (
        r#"[[route]]
name = "a"
[[route]]
name = "a"
path = "/x"
[[route]]
name = "b""#,
        r#"8:8: found "a" for the second time, expected each [[route]] to have another name
10:1: found a route that matches what "a" matches, expected another host, path or methods"#,
    ),
    (
        r#"[ramp]
start = "auto""#,
        r#"6:9: found "auto", expected one of "manual", "automatic""#,
    ),
    (
        r#"[ramp]
window = "Sunday 02:00-06:00 Europe/Berlin""#,
        r#"6:10: found "Sunday", expected one of Mon, Tue, Wed, Thu, Fri, Sat, Sun; did you mean "Sun"?"#,
    ),
    (
        r#"[ramp]
window = ["Sun 02:00-06:00 Europe/Berlin", "Mon 02:00-06:00 UTC", "Mon 2-6 UTC"]"#,
        r#"6:44: found another time zone, expected one zone for all windows; write them all on one wall clock
6:67: found "2-6", expected a stretch of the day such as "02:00-06:00""#,
    ),
    (
        r#"[ramp]
window = []"#,
        r#"6:10: found an empty list, expected a window such as "Sun 02:00-06:00 Europe/Berlin""#,
    ),
    (
        r#"[ramp]
step = []"#,
        r#"6:8: found no step, expected at least one [[ramp.step]]"#,
    ),
    (
        r#"[[ramp.step]]
weight = "1%"
bake = "10 min"
[[ramp.step]]
weight = "50%"
requests = "many""#,
        r#"7:8: found "10 min", expected a duration such as "250ms", "1m30s" or "7d"
9:10: found "50%" in the last step, expected "100%" there; a ramp ends with all traffic on new; hold before it if it should stay below
10:12: found a string, expected a whole number from 0 to 1000000000"#,
    ),
    (
        r#"[[ramp.step]]
weight = "5%"
[[ramp.step]]
weight = "5%"
[[ramp.step]]
weight = "101%""#,
        r#"8:10: found "5%" after a step of "5%", expected weights that rise
10:10: found "101%", expected at most "100%""#,
    ),
    (
        r#"[[ramp.step]]
weight = 5
[[ramp.step]]
weight = "0.001%"
[[ramp.step]]
weight = "100""#,
        r#"6:10: found an integer, expected a weight such as "5%" or "0.5%"; write "5%" if that is meant
8:10: found "0.001%", expected at most two decimals
10:10: found "100", expected a weight such as "5%" or "0.5%"; say whether "100%" is meant"#,
    ),
    (
        r#"[[ramp.step]]
bake = 600
[[ramp.steps]]
weight = "100%""#,
        r#"5:1: found no "weight" in [[ramp.step]], expected "weight", which has no default
6:8: found a number without a unit, expected a duration such as "250ms", "1m30s" or "7d"; for seconds write "600s"
7:8: found unknown key "steps" in [ramp], expected one of start, advance, window, step; did you mean "step"?"#,
    ),
    (
        r#"[[trigger]]
name = "errors"
reading = "errors_rate"
above = "2%""#,
        r#"7:11: found "errors_rate", expected one of "error_rate", "latency_p50", "latency_p90", "latency_p95", "latency_p99", "latency_p999", "connect_failures", "unhealthy", "replication_lag"; did you mean "error_rate"?"#,
    ),
    (
        r#"[[trigger]]
name = "errors"
reading = "error_rate"
above = 0.02"#,
        r#"8:9: found a float, expected a share such as "2.5%"; write it in quotes, with its percent sign"#,
    ),
    (
        r#"[[trigger]]
name = "errors"
reading = "error_rate"
above = "100%""#,
        r#"8:9: found "100%", expected less than "100%"; nothing is above all"#,
    ),
    (
        r#"[[trigger]]
name = "errors"
reading = "error_rate"
above = "2%"
above_old = 2"#,
        r#"9:1: found `above_old` beside `above`, expected one limit for each trigger; write two triggers"#,
    ),
    (
        r#"[[trigger]]
name = "errors"
reading = "error_rate"
in_a_row = 5"#,
        r#"8:1: found `in_a_row` for the reading "error_rate", expected `above` or `above_old`"#,
    ),
    (
        r#"[[trigger]]
name = "slow"
reading = "latency_p99"
above = "2%""#,
        r#"8:9: found "2%", expected a duration such as "250ms", "1m30s" or "7d""#,
    ),
    (
        r#"[[trigger]]
name = "slow"
reading = "latency_p99"
above = "2h""#,
        r#"8:9: found 2h, expected from 1us to 1h"#,
    ),
    (
        r#"[[trigger]]
name = "slow"
reading = "latency_p99""#,
        r#"5:1: found no "above" or "above_old" in [[trigger]], expected "above" or "above_old", which has no default"#,
    ),
    (
        r#"[[trigger]]
name = "slow"
reading = "latency_p99"
above_old = "1.5""#,
        r#"8:13: found a string, expected a factor such as 1.5; write the number without quotes"#,
    ),
    (
        r#"[[trigger]]
name = "slow"
reading = "latency_p99"
above_old = 0.5
[[trigger]]
name = "slower"
reading = "latency_p99"
above_old = 1.0001"#,
        r#"8:13: found 0.5, expected a factor from 1 to 1000
12:13: found "1.0001", expected a factor such as 1.5; use at most three decimals"#,
    ),
    (
        r#"[[trigger]]
name = "slow"
reading = "latency_p99"
above_old = 1.5"#,
        r#"5:1: found only triggers relative to old, which are blind where old gets too little, expected one with `above` or `in_a_row` as well; every ramp ends at 100%, where old gets nothing"#,
    ),
    (
        r#"[[trigger]]
name = "unreachable"
reading = "connect_failures"
in_a_row = 5
window = "10s""#,
        r#"9:1: found `window` on a trigger that looks at the present alone, expected no `window`"#,
    ),
    (
        r#"[[trigger]]
name = "x"
reading = "connect_failures"
in_a_row = 5
[[trigger]]
name = "x"
reading = "unhealthy"
above = "50%"
requests = 5"#,
        r#"10:8: found "x" for the second time, expected each [[trigger]] to have another name
13:1: found `requests` on a trigger that looks at the present alone, expected no `requests`"#,
    ),
    (
        r#"[[trigger]]
name = "errors"
reading = "error_rate"
above = "2%"
window = "2h"
requests = 0"#,
        r#"9:10: found 2h, expected from 100ms to 1h
10:12: found 0, expected from 1 to 1000000"#,
    ),
    (
        r#"[[gate]]
above_weight = "10%"
drills = { within = "7d" }"#,
        r#"5:1: found no "healthy", "replication" or "drill" in [[gate]], expected "healthy", "replication" or "drill", which has no default
7:1: found unknown key "drills" in [[gate]], expected one of above_weight, healthy, replication, drill; did you mean "drill"?"#,
    ),
    (
        r#"[[gate]]
above_weight = "10%"
healthy = "both"
drill = { within = "7d" }
[[gate]]
above_weight = "10%"
drill = { within = "0s" }"#,
        r#"8:1: found `drill` beside `healthy`, expected one condition for each gate; write two gates
11:20: found 0s, expected from 1s to 365d"#,
    ),
    (
        r#"[[gate]]
above_weight = "100%"
healthy = "all""#,
        r#"6:16: found "100%", expected less than "100%"; no step lies above it
7:11: found "all", expected one of "old", "new", "both""#,
    ),
    (
        r#"[shadow]
share = "101%"
noise = "0.5%"
body_limit = "100"
copies = 0
max_difference = "60%"
samples = "clear"
[[shadow.ignore]]
path = "items"
[[shadow.ignore]]
route = "api"
[[route]]
name = "shop"
shadow = "reads""#,
        r#"6:9: found "101%", expected at most "100%"
7:9: found "0.5%", expected a share from "1%" to "90%"
8:14: found 100B, expected from 1KiB to 16MiB
9:10: found 0, expected from 1 to 10000
10:18: found "60%", expected a share from "0.01%" to "50%"
11:11: found "clear", expected one of "masked", "shown"
13:8: found "items", expected a JSON pointer such as "/items/*/id"; begin with a slash; `*` is every element or member
14:1: found no "path" in [[shadow.ignore]], expected "path", which has no default
15:9: found "api", expected the name of a [[route]]
18:10: found "reads", expected one of "none", "safe", "all""#,
    ),
    (
        r#"[rollback]
both_bad = "holt"
tunnels = "soon"
window = "91d""#,
        r#"6:12: found "holt", expected one of "hold", "rollback"; did you mean "hold"?
7:11: found "soon", expected a duration such as "250ms", "1m30s" or "7d"
8:10: found 91d, expected from 0s to 90d"#,
    ),
    (
        r#"[timeouts]
conect = "1s"
drain = 30"#,
        r#"6:1: found unknown key "conect" in [timeouts], expected one of tls_handshake, request_head, body_idle, client_idle, connect, response_head, half_closed, upstream_idle, tunnel_idle, drain, upgrade; did you mean "connect"?
7:9: found a number without a unit, expected a duration such as "250ms", "1m30s" or "7d"; for seconds write "30s""#,
    ),
    (
        r#"[timeouts]
connect = "1ms"
drain = "1s1s""#,
        r#"6:11: found 1ms, expected from 10ms to 10m
7:9: found "1s1s", expected a duration such as "250ms", "1m30s" or "7d""#,
    ),
    (
        r#"[limits]
head_bytes = "64kib"
headers = 1"#,
        r#"6:14: found "64kib", expected a size such as "64KiB", "1MB" or a number of bytes; did you mean "KiB"?
7:11: found 1, expected from 10 to 10000"#,
    ),
    (
        r#"[limits]
head_bytes = "8KiB"
target_bytes = "16KiB"
idle_per_endpoint = 5
connections_per_endpoint = 4"#,
        r#"7:16: found 16KiB within heads of 8KiB, expected no more than `head_bytes`
8:21: found 5 idle connections of 4, expected no more than `connections_per_endpoint`"#,
    ),
    (
        r#"[forwarding]
trusted = ["10.0.0.5/8", "10.0.0.0/33", "everybody"]
alt_svc = "strp""#,
        r#"6:12: found "10.0.0.5/8", expected a network without bits beyond its prefix; write "10.0.0.0/8" or "10.0.0.5"
6:26: found "10.0.0.0/33", expected a network such as "10.0.0.0/8"
6:41: found "everybody", expected a network such as "10.0.0.0/8"
7:11: found "strp", expected one of "strip", "keep"; did you mean "strip"?"#,
    ),
    (
        r#"[dns]
move = "complete"
ttl = "1500ms"
start = ["10.0.0.53"]
[dns.provider]
kind = "rfc2163"
[[dns.name]]
name = "shop.example.org"
from = { A = ["192.0.2.1"] }
to = { A = ["192.0.2.1"] }"#,
        r#"5:1: found no "zone" in [dns], expected "zone", which has no default
6:8: found "complete", expected one of "manual", "when-complete", "after-window"
7:7: found 1s500ms, expected whole seconds
8:10: found "10.0.0.53", expected an IP address with a port, such as "127.0.0.1:8080" or "[::]:8080"; add a port: "10.0.0.53:8080"
10:8: found "rfc2163", expected one of "rfc2136", "powerdns", "cloudflare", "route53", "exec", "manual"; did you mean "rfc2136"?
14:6: found the records of `from`, expected other records than those"#,
    ),
    (
        r#"[dns]
zone = "example.test"
[dns.provider]
kind = "rfc2136"
key_name = "schlüssel"
secret_env = "NO_SUCH_VARIABLE"
[[dns.name]]
name = "shop.example.org"
from = { A = ["2001:db8::1"], AAAA = [] }
to = {}
[[dns.name]]
name = "example.test"
from = { A = ["192.0.2.1"] }
to = { CNAME = ["a.test", "b.test"] }
[[dns.name]]
name = "Example.test."
from = { TXT = ["x"] }"#,
        r#"7:1: found no "server" in [dns.provider], expected "server", which has no default
9:12: found "schlüssel", expected a DNS name such as "shop.example.com"; write it as DNS has it, in Punycode (xn--…)
10:14: found the name of no environment variable that is set, expected the name of one that holds the secret
12:8: found "shop.example.org.", expected a name within the zone example.test.; names of another zone move by a configuration of their own
13:15: found "2001:db8::1", expected an IPv4 address; network address parse error: invalid IPv4 address syntax
13:38: found an empty list, expected at least one value, or no such key
14:6: found no records in [dns.name.to], expected such as { A = ["192.0.2.1"] }
15:1: found a CNAME of the zone example.test. itself, expected addresses: a zone's own name can be no alias; RFC 1034 section 3.6.2; name the addresses that are served
18:16: found a CNAME beside others, expected one CNAME and nothing beside it, as RFC 1034 section 3.6.2 demands
19:1: found no "to" in [[dns.name]], expected "to", which has no default
21:8: found no records in [dns.name.from], expected such as { A = ["192.0.2.1"] }
21:10: found unknown key "TXT" in [dns.name.from], expected one of A, AAAA, CNAME, HTTPS"#,
    ),
    (
        r#"[dns]
zone = "example.test"
provider = "rfc2136""#,
        r#"5:1: found no [[dns.name]] in [dns], expected [[dns.name]], which has no default
7:12: found a string, expected one table, [dns.provider]
7:12: found no "kind" in [dns.provider], expected "kind", which has no default"#,
    ),
    (
        r#"[dns]
zone = "example.test"
[[dns.name]]
name = "shop.example.test"
from = { A = ["192.0.2.1"] }
to = { A = ["192.0.2.2"] }
[dns.provider]
kind = "powerdns"
url = "http://ada:hunter2@dns.test"
server_id = "local/host"
timeout = "2m"
zone_id = "x"
secret_file = "short.secret"
secret_env = "NO_SUCH_VARIABLE""#,
        r#"13:7: found a URL with user information, expected a URL such as "https://dns.example.com:8081"; leave out what stands before the @
14:13: found "local/host", expected a word of letters, digits, "-", "_" or "."
15:11: found 2m, expected from 100ms to 1m
16:1: found the key "zone_id", expected one of url, ca, timeout, server_id, secret_file, secret_env for this kind
18:1: found `secret_env` beside `secret_file`, expected one of them"#,
    ),
    (
        r#"[dns]
zone = "example.test"
[[dns.name]]
name = "shop.example.test"
from = { A = ["192.0.2.1"] }
to = { A = ["192.0.2.2"] }
[dns.provider]
kind = "powerdns"
url = "dns.test:8081"
ca = "no-cert.pem""#,
        r#"11:1: found no "secret_file" or "secret_env" in [dns.provider], expected "secret_file" or "secret_env", which has no default
13:7: found "dns.test:8081", expected a URL such as "https://dns.example.com:8081"
14:6: found no certificate in "DIR/no-cert.pem", expected a PEM file with certificates"#,
    ),
    (
        r#"[dns]
zone = "example.test"
[[dns.name]]
name = "shop.example.test"
from = { A = ["192.0.2.1"] }
to = { A = ["192.0.2.2"] }
[dns.provider]
kind = "cloudflare"
url = "https://api.test/?x"
zone_id = "example.test"
server = "10.0.0.53:53"
secret_file = "short.secret""#,
        r#"13:7: found "https://api.test/?x", expected a URL such as "https://dns.example.com:8081"; leave out what stands from the ? or # on
14:11: found "example.test", expected the zone's id of 32 hexadecimal digits, from its overview at Cloudflare
15:1: found the key "server", expected one of url, ca, timeout, zone_id, secret_file, secret_env for this kind"#,
    ),
    (
        r#"[dns]
zone = "example.test"
[[dns.name]]
name = "shop.example.test"
from = { A = ["192.0.2.1"] }
to = { A = ["192.0.2.2"] }
[dns.provider]
kind = "route53"
zone_id = "example.test"
access_key_id = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
key_name = "x"
secret_file = "short.secret"
session_token_file = "short.secret"
session_token_env = "NO_SUCH_VARIABLE""#,
        r#"13:11: found "example.test", expected the hosted zone's id of up to 32 upper-case letters and digits, such as "Z1D633PJN98FT9"
14:17: found something else, expected the key's id of 16 to 128 upper-case letters and digits, such as "AKIAIOSFODNN7EXAMPLE"
15:1: found the key "key_name", expected one of url, ca, timeout, zone_id, access_key_id, secret_file, secret_env, session_token_file, session_token_env for this kind
18:1: found `session_token_env` beside `session_token_file`, expected one of them"#,
    ),
    (
        r#"[dns]
zone = "example.test"
[[dns.name]]
name = "shop.example.test"
from = { A = ["192.0.2.1"] }
to = { A = ["192.0.2.2"] }
[dns.provider]
kind = "exec"
command = []
timeout = "1h""#,
        r#"13:11: found an empty list, expected a program, and its arguments if it has any
14:11: found 1h, expected from 100ms to 10m"#,
    ),
    (
        r#"[dns]
zone = "example.test"
[[dns.name]]
name = "shop.example.test"
from = { A = ["192.0.2.1"] }
to = { A = ["192.0.2.2"] }
[dns.provider]
kind = "exec"
command = "change-dns"
secret_file = "short.secret""#,
        r#"13:11: found a string, expected a list in brackets; write […]
14:1: found the key "secret_file", expected one of command, timeout for this kind"#,
    ),
    (
        r#"[dns]
zone = "example.test"
[[dns.name]]
name = "shop.example.test"
from = { A = ["192.0.2.1"] }
to = { A = ["192.0.2.2"] }
[dns.provider]
kind = "manual"
timeout = "1s""#,
        r#"13:1: found the key "timeout", expected no key beside `kind` for this kind"#,
    ),
    (
        r#"[limits
headers = 5"#,
        r#"5:8: found unclosed table (no valid TOML), expected `]`"#,
    ),
    (
        r#"[limits]
headers = 0x"#,
        r#"6:11: found 0x, expected a whole number from 10 to 10000"#,
    ),
    (
        r#"[limits]
headers = 5
[limits]
streams = 5"#,
        r#"6:11: found 5, expected from 10 to 10000
7:2: found the key "limits" for the second time, expected each key once in a table"#,
    ),
    (
        r#"[limits]
headers = 2020-01-01
streams = 99999999999999999999999"#,
        r#"6:11: found a date, expected a whole number from 10 to 10000
7:11: found 99999999999999999999999, expected a whole number from 1 to 10000"#,
    ),
];
