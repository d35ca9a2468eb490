package chatkit

import (
	"fmt"
	"net/url"
)

// Attachment is a file (type "file") or an image (type "image", with a
// PreviewURL). Its metadata is never sent.
type Attachment struct {
	Type             string            `json:"type"`
	ID               string            `json:"id"`
	Name             string            `json:"name"`
	MimeType         string            `json:"mime_type"`
	PreviewURL       string            `json:"preview_url,omitempty"`
	UploadDescriptor *UploadDescriptor `json:"upload_descriptor,omitempty"`
	ThreadID         string            `json:"thread_id,omitempty"`
}

// The types of an attachment.
const (
	AttachmentFile  = "file"
	AttachmentImage = "image"
)

// MarshalJSON writes the fields that the attachment's type has.
func (a Attachment) MarshalJSON() ([]byte, error) {
	type plain Attachment
	if err := oneOf("an attachment's type", a.Type, AttachmentFile, AttachmentImage); err != nil {
		return nil, err
	}
	switch a.Type {
	case AttachmentFile:
		a.PreviewURL = ""
	case AttachmentImage:
		if err := checkURL("an image's preview_url", a.PreviewURL); err != nil {
			return nil, err
		}
	}
	return marshal(plain(a))
}

// checkURL returns an error unless s is a URL with a scheme and a host, or of
// data.
func checkURL(what, s string) error {
	u, err := url.Parse(s)
	if err == nil && (u.Scheme == "data" || (u.Scheme != "" && u.Host != "")) {
		return nil
	}
	return fmt.Errorf("chatkit: %s is not a URL", what)
}

// UploadDescriptor says where and how to upload an attachment's bytes.
type UploadDescriptor struct {
	URL     string            `json:"url"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers"`
}

// MarshalJSON writes no headers as {}.
func (d UploadDescriptor) MarshalJSON() ([]byte, error) {
	type plain UploadDescriptor
	if err := oneOf("an upload's method", d.Method, "POST", "PUT"); err != nil {
		return nil, err
	}
	if err := checkURL("an upload's url", d.URL); err != nil {
		return nil, err
	}
	if d.Headers == nil {
		d.Headers = map[string]string{}
	}
	return marshal(plain(d))
}

// UnmarshalJSON reads missing headers as none.
func (d *UploadDescriptor) UnmarshalJSON(raw []byte) error {
	type plain UploadDescriptor
	v, err := decode[plain](raw)
	if err != nil {
		return err
	}
	if v.Headers == nil {
		v.Headers = map[string]string{}
	}
	*d = UploadDescriptor(v)
	return nil
}
