// Package auth says who a request is from: it verifies the bearer token of a
// request and yields an [Identity]. Nothing else in a request says who it is.
//
// The algorithm is pinned: a token signed with any other one, or with none, is
// refused before a key is looked at, so a public key can never be used as an
// HMAC secret.
package auth
