//! Where GitHub's API is: the one host that ever gets the token.

use std::net::IpAddr;

use super::Error;

/// The address of an API, such as `https://api.github.com` or
/// `https://github.acme.example/api/v3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    scheme: &'static str,
    /// Host and port, in lower case.
    authority: String,
    /// Empty, or `/` and words, without one at the end.
    path: String,
}

impl Base {
    /// Reads the address. Plain `http` is for this machine alone: it would show
    /// the token to the network.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let bad = |why| Error::BadUrl { why };
        let (scheme, rest) = url.trim().split_once("://").ok_or(bad("it has no https://"))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let this = Self {
            scheme: if scheme == "http" { "http" } else { "https" },
            authority: authority.to_ascii_lowercase(),
            path: path.trim_end_matches('/').to_owned(),
        };
        let plain =
            |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && !b"?#%\\".contains(&b));
        match scheme {
            "https" => (),
            "http" if this.is_loopback() => (),
            "http" => return Err(bad("plain http is for this machine only")),
            _ => return Err(bad("it has no https://")),
        }
        if authority.contains('@') {
            return Err(bad("the token goes into GITHUB_TOKEN"));
        }
        if this.host().is_empty() || !plain(authority) || !plain(path) {
            return Err(bad("this is not the address of an API"));
        }
        Ok(this)
    }

    /// The address as text, without a slash at its end.
    pub(super) fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.path)
    }

    /// The host's name or address.
    pub(super) fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => &self.authority,
        }
    }

    /// The host under which people see it and git talks to it.
    pub(super) fn web_host(&self) -> &str {
        self.host().strip_prefix("api.").unwrap_or(self.host())
    }

    /// The path on this host of something in the API.
    pub(super) fn path_of(&self, route: &str) -> String {
        format!("{}{route}", self.path)
    }

    /// The path of a whole URL that an answer gave, if it is of this API.
    pub(super) fn path_here(&self, url: &str) -> Option<String> {
        let path = match url.split_once("://") {
            Some(("http" | "https", rest)) => {
                let (authority, path) = rest.split_at(rest.find(['/', '?', '#'])?);
                Some(path).filter(|_| authority.eq_ignore_ascii_case(&self.authority))?
            }
            Some(_) => return None,
            None => url,
        };
        let (path, _) = path.split_once('#').unwrap_or((path, ""));
        let inside = path.strip_prefix(&self.path).is_some_and(|rest| rest.starts_with('/'));
        let plain = path.bytes().all(|b| b.is_ascii_graphic());
        // `//host/…` is a URL too, of another host.
        (inside && plain && !path.starts_with("//")).then(|| path.to_owned())
    }

    fn is_loopback(&self) -> bool {
        let host = self.host().trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(url: &str) -> Base {
        Base::parse(url).unwrap()
    }

    #[test]
    fn an_address_keeps_its_path() {
        for (given, url, web_host) in [
            ("https://api.github.com", "https://api.github.com", "github.com"),
            ("https://API.github.com/", "https://api.github.com", "github.com"),
            ("https://api.acme.ghe.com", "https://api.acme.ghe.com", "acme.ghe.com"),
            (
                "https://git.acme.example/api/v3/",
                "https://git.acme.example/api/v3",
                "git.acme.example",
            ),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1"),
            ("http://[::1]:8080/x", "http://[::1]:8080/x", "[::1]"),
            ("http://localhost", "http://localhost", "localhost"),
        ] {
            let base = base(given);
            assert_eq!((base.url().as_str(), base.web_host()), (url, web_host));
        }
    }

    #[test]
    fn an_address_that_would_leak_or_lead_nowhere_is_refused() {
        let why = |url: &str| Base::parse(url).unwrap_err().to_string();
        let said = [
            "http://api.github.com",
            "http://127.0.0.1.evil.example",
            "https://token@api.github.com",
            "api.github.com",
            "ftp://api.github.com",
            "https://",
            "https://api.github.com/?x",
        ]
        .map(why);
        insta::assert_snapshot!(said.join("\n"), @"
        GITHUB_API_URL cannot be used: plain http is for this machine only
        GITHUB_API_URL cannot be used: plain http is for this machine only
        GITHUB_API_URL cannot be used: the token goes into GITHUB_TOKEN
        GITHUB_API_URL cannot be used: it has no https://
        GITHUB_API_URL cannot be used: it has no https://
        GITHUB_API_URL cannot be used: this is not the address of an API
        GITHUB_API_URL cannot be used: this is not the address of an API
        ");
    }

    #[test]
    fn only_urls_of_the_same_api_are_followed() {
        let base = base("https://git.acme.example/api/v3");
        let here = |url: &str| base.path_here(url);
        assert_eq!(here("https://git.acme.example/api/v3/x?page=2").unwrap(), "/api/v3/x?page=2");
        assert_eq!(here("/api/v3/repositories/1").unwrap(), "/api/v3/repositories/1");
        for elsewhere in [
            "https://evil.example/api/v3/x",
            "https://git.acme.example:444/api/v3/x",
            "https://git.acme.example@evil.example/api/v3/x",
            "https://git.acme.example/other",
            "https://git.acme.example/api/v33",
            "https://git.acme.example",
            "//evil.example/api/v3/x",
            "ftp://git.acme.example/api/v3/x",
            "x",
            "",
        ] {
            assert_eq!(here(elsewhere), None, "{elsewhere}");
        }
    }
}
