// SPDX-License-Identifier: Apache-2.0
export async function getServerSideProps({ req }) {
	return { props: { path: req.url } };
}

export default function Old({ path }) {
	return <p>pages router: {path}</p>;
}
