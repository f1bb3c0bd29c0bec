package wire

import (
	"crypto"
	_ "crypto/sha256" // the hashes that endpointHash chooses from
	_ "crypto/sha512"
	"crypto/tls"
	"crypto/x509"
)

// endpointHash is the channel binding tls-server-end-point of RFC 5929 §4.1: the
// certificate's hash under its own signature's hash function, SHA-256 in place
// of MD5 and SHA-1.
//
// It is nil, and SCRAM-SHA-256-PLUS is not offered, when the certificate is
// chosen per connection (crypto/tls does not tell which one was sent) or when its
// signature has no hash function (Ed25519), for which the RFC has no rule.
func endpointHash(config *tls.Config) []byte {
	if config == nil || len(config.Certificates) != 1 || len(config.Certificates[0].Certificate) == 0 ||
		config.GetCertificate != nil || config.GetConfigForClient != nil {
		return nil
	}
	leaf, err := x509.ParseCertificate(config.Certificates[0].Certificate[0])
	if err != nil {
		return nil // and the handshake will say so
	}
	hash := signatureHash(leaf.SignatureAlgorithm)
	if hash == 0 {
		return nil
	}
	h := hash.New()
	h.Write(leaf.Raw)
	return h.Sum(nil)
}

func signatureHash(a x509.SignatureAlgorithm) crypto.Hash {
	switch a {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1,
		x509.SHA256WithRSA, x509.DSAWithSHA256, x509.ECDSAWithSHA256, x509.SHA256WithRSAPSS:
		return crypto.SHA256
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		return crypto.SHA384
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		return crypto.SHA512
	}
	return 0
}
