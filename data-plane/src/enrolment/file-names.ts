/** In data_dir: the key, the certificate and the CA's certificate that this node has joined with, PEM, in this order. */
export const IDENTITY_FILE = 'identity.pem';
/** In data_dir: the key that a certificate is being asked for; asked again after a lost answer, it is the same one. */
export const NEXT_KEY_FILE = 'identity-next.key';
