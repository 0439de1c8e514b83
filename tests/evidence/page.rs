//! Shares, quantiles, and the tables and plots of `docs/evidence.md`.

use std::{
    env,
    fmt::Write,
    fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// One line of a plot.
pub(crate) struct Line {
    pub(crate) name: String,
    /// Seconds and shares, both rising.
    pub(crate) points: Vec<(f64, f64)>,
}

/// How many there are.
pub(crate) fn count<T>(found: &[T]) -> f64 {
    f64::from(u32::try_from(found.len()).expect("few runs"))
}

/// The share of runs of which something holds.
pub(crate) fn share<T>(found: &[T], is: impl Fn(&T) -> bool) -> f64 {
    let holds = found.iter().filter(|it| is(it)).count();
    f64::from(u32::try_from(holds).expect("few runs")) / count(found)
}

/// The value below which a share of the sorted ones lies.
pub(crate) fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let mut place = 0;
    for index in 1..sorted.len() {
        let below = f64::from(u32::try_from(index).expect("few runs"));
        if below <= share * count(sorted) {
            place = index;
        }
    }
    sorted[place]
}

pub(crate) fn percent(share: f64) -> String {
    let rounded = (share * 1_000.0).round() / 10.0;
    format!("{rounded} %")
}

/// Puts a table between its marks in `docs/evidence.md`, where that is asked for.
pub(crate) fn write(mark: &str, table: &str) {
    static PAGE: Mutex<()> = Mutex::new(());
    if env::var_os("EVIDENCE_WRITE").is_none() {
        return;
    }
    // The tests run side by side.
    let _alone = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = docs().join("evidence.md");
    let text = fs::read_to_string(&path).expect("the page is there");
    let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    let (before, rest) = text.split_once(&begin).expect("it has the mark");
    let (_old, after) = rest.split_once(&end).expect("it has the end mark");
    let text = format!("{before}{begin}{table}{end}{after}");
    fs::write(&path, text).expect("the page can be written");
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 48.0;
const TOP: f64 = 36.0;
const COLORS: [&str; 3] = ["#0b6e4f", "#c1440e", "#5b5b9a"];

/// Draws shares over time as `docs/assets/evidence-NAME.svg`, where that is asked for.
pub(crate) fn plot(name: &str, title: &str, lines: &[Line]) {
    if env::var_os("EVIDENCE_WRITE").is_none() {
        return;
    }
    let last = |it: &Line| it.points.last().map_or(1.0, |(x, _)| *x);
    let longest = lines.iter().map(last).fold(1.0, f64::max);
    let x = |at: f64| LEFT + at / longest * (WIDTH - LEFT - 16.0);
    let y = |share: f64| TOP + (1.0 - share) * (HEIGHT - TOP - 28.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"18\" font-size=\"14\">{title}</text>\n"
    );
    for quarter in 0..=4 {
        let share = f64::from(quarter) / 4.0;
        let (right, at) = (WIDTH - 16.0, y(share));
        writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#ddd\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{:.0}</text>",
            LEFT - 6.0,
            at + 4.0,
            percent(share),
            x(share * longest),
            HEIGHT - 10.0,
            share * longest
        )
        .expect("a text");
    }
    for (index, (line, color)) in lines.iter().zip(COLORS).enumerate() {
        let mut path = String::new();
        for (number, (at, share)) in line.points.iter().enumerate() {
            let verb = if number == 0 { 'M' } else { 'L' };
            write!(path, "{verb}{:.1} {:.1}", x(*at), y(*share)).expect("a text");
        }
        let row = TOP + 18.0 + 17.0 * f64::from(u32::try_from(index).expect("three"));
        writeln!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>\n\
             <text x=\"{:.0}\" y=\"{row:.0}\" fill=\"{color}\">{}</text>",
            LEFT + 12.0,
            line.name
        )
        .expect("a text");
    }
    svg.push_str("</svg>\n");
    let path = docs().join(format!("assets/evidence-{name}.svg"));
    fs::create_dir_all(docs().join("assets")).expect("a folder");
    fs::write(path, svg).expect("the plot can be written");
}

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs")
}
