//! The words: every kind of event in every language as it reaches a DingTalk or a WeCom group, held by golden files, and
//! what a hostile buyer can write held to be nothing but text.

mod words {
    pub mod apart;
    pub mod digests;
    pub mod golden;
    pub mod hostile;
    pub mod licences;
    pub mod reading;
    pub mod reports;
    pub mod samples;
    pub mod sending;
    pub mod splitting;
    pub mod templates;
    pub mod wecom;
    pub mod writers;
}
