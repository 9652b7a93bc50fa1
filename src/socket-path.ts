/** What the kernel holds of a socket's path in its `sun_path`, less the final NUL: longer ones would be cut off in silence. */
export const MAX_SOCKET_BYTES = 107;

/** Sockets are born in a folder of their own in the one where they belong: this is added to its path, X by something random. */
const BIRTHPLACE = "/.XXXXXX/s";

export const MAX_SOCKET_FOLDER_BYTES = MAX_SOCKET_BYTES - BIRTHPLACE.length;
