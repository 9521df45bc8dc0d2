//! A certificate for a name, and the authority that signed it, made by openssl for one test.
import { execFileSync } from 'node:child_process';
import path from 'node:path';

/** Writes three PEM files into the folder and gives their paths. Browsers refuse a certificate that is its own authority. */
export function makeCertificate(folder, name) {
  const at = (file) => path.join(folder, file);
  const make = (...args) => execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-days', '7', ...args], { stdio: 'pipe' });
  make('-subj', '/CN=Trefoil test authority', '-keyout', at('authority.key'), '-out', at('authority.pem'));
  make('-CA', at('authority.pem'), '-CAkey', at('authority.key'), '-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`,
    '-addext', 'basicConstraints=critical,CA:FALSE', '-keyout', at('key.pem'), '-out', at('certificate.pem'));
  return { authority: at('authority.pem'), certificate: at('certificate.pem'), key: at('key.pem') };
}
