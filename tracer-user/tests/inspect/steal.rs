//! Rules of nf_tables for a namespace of a test.

use crate::space::Space;

impl Space {
    pub(crate) fn redirect(&self, family: &str, from: u16, to: u16) {
        let rule = format!("tcp dport {from} redirect to :{to}");
        self.rules(&format!(
            "table {family} steal {{ chain o {{ type nat hook output priority -100; {rule}; }}; }}"
        ));
    }

    pub(crate) fn rules(&self, text: &str) {
        self.run(&["nft", text], "");
    }
}
