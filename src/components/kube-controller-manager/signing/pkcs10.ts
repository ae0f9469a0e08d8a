/** The library that reads PKCS#10, in a file of its own: it is large, and loaded when the first CSR comes. */
import 'reflect-metadata'

export { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from '@peculiar/x509'
