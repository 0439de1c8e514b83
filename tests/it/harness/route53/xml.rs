//! XML that is read strictly: elements in one order, with nothing beside them.

use quick_xml::{Reader, XmlVersion, events::Event};

/// An element.
#[derive(Debug, Default)]
pub struct Node {
    pub name: String,
    pub namespace: Option<String>,
    content: String,
    children: Vec<Self>,
}

/// Reads a document that begins with a declaration.
pub fn read(text: &str) -> Result<Node, String> {
    let rest = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let mut reader = Reader::from_str(rest.ok_or("no declaration")?);
    let mut open = vec![Node::default()];
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        let here = open.last_mut().ok_or("more ends than beginnings")?;
        match event {
            Event::Start(start) => {
                let mut node = Node {
                    name: start.name().as_ref().to_owned(),
                    ..Node::default()
                };
                for attribute in start.attributes() {
                    let attribute = attribute.map_err(|error| error.to_string())?;
                    if attribute.key.as_ref() != "xmlns" {
                        return Err("an attribute".to_owned());
                    }
                    node.namespace = Some(attribute.value.as_ref().to_owned());
                }
                open.push(node);
            }
            Event::End(_) => {
                let node = open.pop().ok_or("an end without a beginning")?;
                let outer = open.last_mut().ok_or("an end without a beginning")?;
                outer.children.push(node);
            }
            Event::Text(text) => {
                here.content
                    .push_str(&text.xml_content(XmlVersion::Implicit1_0));
            }
            Event::GeneralRef(reference) => here.content.push(match reference.as_ref() {
                "lt" => '<',
                "gt" => '>',
                "amp" => '&',
                "quot" => '"',
                "apos" => '\'',
                other => return Err(format!("the entity {other}")),
            }),
            Event::Eof => break,
            other => return Err(format!("{other:?}")),
        }
    }
    match open.pop().map(|it| it.children) {
        Some(mut roots) if roots.len() == 1 && open.is_empty() => Ok(roots.remove(0)),
        _ => Err("not one root".to_owned()),
    }
}

impl Node {
    /// Its children, which are these and no others.
    pub fn children<const N: usize>(&self, names: [&str; N]) -> Result<[&Self; N], String> {
        let found: Vec<&Self> = self.children.iter().collect();
        let is_plain = self.content.is_empty() && found.iter().all(|it| it.namespace.is_none());
        let are_these = found.iter().map(|it| it.name.as_str()).eq(names);
        let found = <[&Self; N]>::try_from(found).ok();
        let found = found.filter(|_| is_plain && are_these);
        found.ok_or_else(|| format!("{} does not hold {names:?}", self.name))
    }

    /// Its children, at least one, which all have this name.
    pub fn all(&self, name: &str) -> Result<&[Self], String> {
        let are_all = self.children.iter().all(|it| it.name == name);
        match are_all && !self.children.is_empty() && self.content.is_empty() {
            true => Ok(&self.children),
            false => Err(format!("{} does not hold {name}", self.name)),
        }
    }

    /// What it says.
    pub fn text(&self) -> Result<&str, String> {
        match self.children.is_empty() && !self.content.is_empty() {
            true => Ok(&self.content),
            false => Err(format!("{} says nothing", self.name)),
        }
    }
}

/// A text as it stands within an element.
pub fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}
